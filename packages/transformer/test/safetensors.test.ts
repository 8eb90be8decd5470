import { spawnSync } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSafetensors, writeSafetensors, type WeightTensor } from '../src'
import { inFreshFolder } from './support/folders'

const fixture = (name: string) => join(__dirname, 'fixtures', name)
const bits = ({ data }: WeightTensor) => [...new Uint32Array(data.buffer, data.byteOffset, data.length)]

/** A file with this header over `data` zero bytes. */
function fileOf(header: unknown, data: number, encoding: BufferEncoding = 'utf8'): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header), encoding)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(data)])
}

describe('readSafetensors', () => {
  it('widens float16 and bfloat16 to the float32 that PyTorch makes of them, bit for bit', async () => {
    const mixed = await readSafetensors(fixture('mixed.safetensors'))
    const widened = await readSafetensors(fixture('float32.safetensors'))
    expect([...mixed.keys()].sort()).toEqual(['Z', 'a.half', 'b.single', 'c.brain', 'matrix'])
    for (const [name, tensor] of mixed) {
      const expected = widened.get(name)!
      expect(tensor.shape).toEqual(expected.shape)
      // PyTorch keeps a NaN's payload bits; which NaN it is carries no meaning.
      const numbers = (of: WeightTensor) => bits(of).map((word, i) => (Number.isNaN(of.data[i]) ? 'NaN' : word))
      expect([name, numbers(tensor)]).toEqual([name, numbers(expected)])
    }
    expect(mixed.get('Z')!.data).toEqual(Float32Array.of(0, 1, 2, 3))
    expect(mixed.get('matrix')!.shape).toEqual([3, 5])
  })

  it('refuses number types it cannot train', async () => {
    await expect(readSafetensors(fixture('int64.safetensors'))).rejects.toMatchObject({
      code: 'PLUMB_SAFETENSORS_DTYPE',
      message: 'Tensor ids is stored as I64; expected F32, BF16 or F16.',
    })
  })

  const entry = (shape: number[], from: number, to: number, dtype = 'F32') => ({ dtype, shape, data_offsets: [from, to] })
  it.each([
    ['an empty file', Buffer.alloc(0), 'too few for a safetensors header'],
    ['a header longer than the file', Buffer.from([255, 0, 0, 0, 0, 0, 0, 0, 123]), 'The header claims 255 bytes but the file has 9'],
    ['a header that is not JSON', fileOf('{"a":', 0), 'The safetensors header is not valid JSON.'],
    ['a header that is no object', fileOf([], 0), 'The safetensors header is not a JSON object.'],
    ['an entry without a shape', fileOf({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4), 'The header entry of tensor a is malformed'],
    ['a range of the wrong size', fileOf({ a: entry([3], 0, 8) }, 8), 'Tensor a has shape [3] in F32 but 8 bytes; expected 12.'],
    ['overlapping tensors', fileOf({ a: entry([2], 0, 8), b: entry([1], 4, 8) }, 8), 'Tensor b starts at byte'],
    ['a truncated file', fileOf({ a: entry([2], 0, 8), b: entry([2], 8, 16) }, 12), 'it is truncated.'],
    ['bytes after the last tensor', fileOf({ a: entry([1], 0, 4) }, 5), 'its header describes only'],
    [
      'a name that stands twice',
      fileOf('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}', 8),
      'a name twice',
    ],
    ['a field that stands twice', fileOf('{"a":{"dtype":"F32","shape":[2],"shape":[1,2],"data_offsets":[0,8]}}', 8), 'a name twice'],
    [
      'bytes that are no text',
      fileOf(Buffer.from('{"a\xff":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', 'latin1').toString('latin1'), 4, 'latin1'),
      'not valid JSON',
    ],
    ['nesting', fileOf(`{"a":${'['.repeat(100_000)}`, 0), 'does not list tensors'],
    ['more names than tensors fit', fileOf(`{${Array.from({ length: 50_000 }, (_, i) => `"${i}":0`).join()}}`, 0), 'does not list tensors'],
    ['a shape beyond counting', fileOf({ a: entry([2 ** 52, 2 ** 52], 0, 4) }, 4), 'Tensor a has shape'],
    ['a number type that every object has', fileOf({ a: entry([1], 0, 4, 'constructor') }, 4), 'Tensor a has shape'],
  ])('refuses %s', async (_, bytes, message) => {
    await inFreshFolder(async (folder) => {
      const path = join(folder, 'model.safetensors')
      await writeFile(path, bytes)
      await expect(readSafetensors(path)).rejects.toMatchObject({
        code: 'PLUMB_SAFETENSORS',
        where: path,
        message: expect.stringContaining(message),
      })
    })
  })
})

describe('a safetensors file', () => {
  it('may list tensors of no numbers before and behind others that begin where they do', async () => {
    const entry = (shape: number[], from: number, to: number) => ({ dtype: 'F32', shape, data_offsets: [from, to] })
    await inFreshFolder(async (folder) => {
      const path = join(folder, 'model.safetensors')
      await writeFile(
        path,
        fileOf(
          { a: entry([1], 0, 4), none: entry([0, 7], 0, 0), b: entry([1], 4, 8), last: entry([0], 8, 8), middle: entry([0], 4, 4) },
          8,
        ),
      )
      const tensors = await readSafetensors(path)
      expect([...tensors].map(([name, { shape, data }]) => [name, shape, data.length]).sort()).toEqual([
        ['a', [1], 1], ['b', [1], 1], ['last', [0], 0], ['middle', [0], 0], ['none', [0, 7], 0],
      ]) // prettier-ignore
    })
  })

  it('of a hostile header is refused in no time and little memory', async () => {
    await inFreshFolder(async (folder) => {
      const path = join(folder, 'model.safetensors')
      for (const header of ['['.repeat(31 << 20), '{"a":'.repeat(6 << 20), `{${'"a":{},'.repeat(4 << 20)}"b":{}}`, '"'.repeat(31 << 20)]) {
        await writeFile(path, fileOf(header, 0))
        const began = performance.now()
        await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'PLUMB_SAFETENSORS' })
        expect(performance.now() - began).toBeLessThan(5000)
      }
      await writeFile(path, fileOf('['.repeat(33 << 20), 0))
      await expect(readSafetensors(path)).rejects.toMatchObject({ message: expect.stringContaining('more than the') as unknown })
    })
  })

  it('that is a folder, a pipe or a link to nothing is refused before it is opened', async () => {
    await inFreshFolder(async (folder) => {
      const refused = (name: string, message: string) =>
        expect(readSafetensors(join(folder, name))).rejects.toMatchObject({ where: join(folder, name), message })
      await mkdir(join(folder, 'sub'))
      await refused('sub', 'This is a folder; expected a file.')
      await symlink('sub', join(folder, 'to-folder'))
      await refused('to-folder', 'This is a folder; expected a file.')
      await symlink('nowhere', join(folder, 'dangling'))
      await refused('dangling', 'This is a link that leads nowhere; expected a file.')
      await symlink('loop', join(folder, 'loop'))
      await refused('loop', 'This is a link that leads to itself; expected a file.')
      await refused('missing', 'There is no such file.')
      if (process.platform === 'win32') return
      spawnSync('mkfifo', [join(folder, 'pipe')])
      await refused('pipe', 'This is a pipe; expected a file.')
      await symlink('/dev/zero', join(folder, 'zero'))
      await refused('zero', 'This is a device; expected a file.')
    })
  })
})

describe('writeSafetensors', () => {
  it('writes the bytes that the Python library writes, whatever the order of the tensors', async () => {
    await inFreshFolder(async (folder) => {
      const weights = await readSafetensors(fixture('float32.safetensors'))
      const path = join(folder, 'out.safetensors')
      await writeSafetensors(path, new Map([...weights].reverse()))
      expect((await readFile(path)).equals(await readFile(fixture('float32.safetensors')))).toBe(true)
    })
  })
})
