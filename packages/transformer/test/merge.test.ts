import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  loadModel,
  loadModelConfig,
  mergeInto,
  openModelFolder,
  openUntokenizedModel,
  readModelFolder,
  readSafetensors,
  readSafetensorsHeader,
  sourceFiles,
  toBFloat16,
  writeModel,
  writeModelFolder,
  type OpenModelFolder,
  type WeightTensor,
} from '../src'
import { inFreshFolder } from './support/folders'
import { PEFT, peftJson } from './support/peft'

const BASE = join(PEFT, 'base')
const source = (name: string) => ({ kind: 'adapter', base: { kind: 'folder', path: BASE }, path: join(PEFT, name) }) as const
const open = (name: string): Promise<OpenModelFolder> => openUntokenizedModel(source(name), { vocabularySize: 24 })

/** Largest difference, relative to the largest magnitude. */
function error(found: Float32Array, expected: Float32Array): number {
  const scale = Math.max(...expected.map(Math.abs))
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]!))) / scale
}

describe('a base with an adapter', () => {
  it.each(['all-linear', 'all-linear-rslora', 'q-v', 'q-v-rslora', 'regex', 'one-layer'])(
    '%s: every matrix with factors is what merge_and_unload of PEFT makes, every other tensor the base',
    async (name) => {
      const { weights } = await open(name)
      const base = await readModelFolder(BASE)
      const merged = await readSafetensors(join(PEFT, 'merged.safetensors'))
      const expected = new Map(
        [...merged].flatMap(([key, tensor]) => (key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), tensor]] : [])),
      )
      let changed = 0
      for (const [parameter, { data }] of base.weights) {
        const found = new Float32Array(data.length)
        await weights.read(parameter, found)
        const target = expected.get(parameter)
        if (!target) {
          expect(found).toEqual(data)
          continue
        }
        changed++
        expect(error(found, data)).toBeGreaterThan(1e-3)
        expect(error(found, target.data)).toBeLessThan(2e-7)
      }
      expect(changed).toBe(expected.size)
      expect(changed).toBeGreaterThan(0)
    },
  )

  it('sums over the rank in float64 and rounds once', () => {
    // In float32, 2²⁴ + 1 is 2²⁴: the sum of the products would be 0.
    const weight = Float32Array.of(0.5)
    const A = { shape: [3, 1], data: Float32Array.of(2 ** 24, 1, -(2 ** 24)) }
    mergeInto(weight, { A, B: { shape: [1, 3], data: Float32Array.of(1, 1, 1) } }, 0.25)
    expect(weight[0]).toBe(0.75)
  })

  it("is the same for GPT-2's matrices, which files hold as [in, out]", () => {
    const { before, A, B, after, scaling } = peftJson('conv1d.json') as { before: Json; A: Json; B: Json; after: Json; scaling: number }
    const [inFeatures, outFeatures] = before.shape as [number, number]
    const turned = new Float32Array(before.data.length)
    for (let i = 0; i < inFeatures; i++)
      for (let o = 0; o < outFeatures; o++) turned[o * inFeatures + i] = before.data[i * outFeatures + o]!
    mergeInto(turned, { A: tensor(A), B: tensor(B) }, scaling)
    for (let i = 0; i < inFeatures; i++) {
      for (let o = 0; o < outFeatures; o++) expect(turned[o * inFeatures + i]).toBeCloseTo(after.data[i * outFeatures + o]!, 6)
    }
  })

  it('is known by the files of both, and has the dimensions of the base', async () => {
    const files = await sourceFiles(source('q-v'))
    expect(files).toEqual([
      ...(await sourceFiles({ kind: 'folder', path: BASE })),
      join(PEFT, 'q-v', 'adapter_config.json'),
      join(PEFT, 'q-v', 'adapter_model.safetensors'),
    ])
    expect(await loadModelConfig(source('q-v'), { vocabularySize: 24 })).toEqual((await openModelFolder(BASE)).config)
    const missing = { ...source('q-v'), path: join(PEFT, 'none') }
    await expect(openUntokenizedModel(missing, { vocabularySize: 24 })).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_NOT_FOUND' })
    await expect(loadModel(source('q-v'))).rejects.toMatchObject({ where: expect.stringContaining(BASE) as string })
  })
})

type Json = { readonly shape: readonly number[]; readonly data: readonly number[] }
const tensor = ({ shape, data }: Json): WeightTensor => ({ shape, data: Float32Array.from(data) })

describe('bfloat16', () => {
  it('is rounded as PyTorch does, ties, NaN and the largest numbers among them', () => {
    const { float32, bfloat16 } = peftJson('bfloat16.json') as { float32: number[]; bfloat16: number[] }
    const numbers = new Float32Array(Uint32Array.from(float32).buffer)
    const isNaN16 = (bits: number) => (bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0
    for (const [i, bits] of toBFloat16(numbers).entries()) {
      if (isNaN16(bfloat16[i]!)) expect(isNaN16(bits)).toBe(true)
      else expect({ of: float32[i], bits }).toEqual({ of: float32[i], bits: bfloat16[i] })
    }
    expect(float32.length).toBe(80)
  })
})

describe('writing a model tensor by tensor', () => {
  it('float32: the bytes that writeModelFolder writes of the whole', async () => {
    await inFreshFolder(async (folder) => {
      const whole = await readModelFolder(BASE)
      await writeModelFolder(join(folder, 'whole'), whole)
      await writeModel(join(folder, 'streamed'), await openModelFolder(BASE), { dtype: 'float32' })
      const names = await readdir(join(folder, 'whole'))
      expect((await readdir(join(folder, 'streamed'))).sort()).toEqual(names.sort())
      for (const name of names) expect(await readFile(join(folder, 'streamed', name))).toEqual(await readFile(join(folder, 'whole', name)))
    })
  })

  it('bfloat16: half the bytes, said by both spellings in config.json, and read back as the rounded numbers', async () => {
    await inFreshFolder(async (folder) => {
      const target = join(folder, 'merged')
      const model = await open('all-linear')
      await writeModel(
        target,
        { ...model, configJson: { ...model.configJson, torch_dtype: 'float32' } },
        { dtype: 'bfloat16', extra: new Map([['README.md', '# card\n']]) },
      )
      const json = JSON.parse(await readFile(join(target, 'config.json'), 'utf8')) as Record<string, unknown>
      expect([json.dtype, json.torch_dtype]).toEqual(['bfloat16', 'bfloat16'])
      expect(await readFile(join(target, 'README.md'), 'utf8')).toBe('# card\n')
      const { tensors } = await readSafetensorsHeader(join(target, 'model.safetensors'))
      expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(['BF16']))
      const { weights } = await readModelFolder(target)
      for (const [name, { data }] of weights) {
        const exact = new Float32Array(data.length)
        await model.weights.read(name, exact)
        const rounded = new Float32Array(Uint32Array.from(toBFloat16(exact), (bits) => bits * 65536).buffer)
        expect(data).toEqual(rounded)
      }
    })
  })

  it('refuses numbers that bfloat16 cannot hold, and leaves nothing half-written', async () => {
    await inFreshFolder(async (folder) => {
      const { weights, ...model } = await openModelFolder(BASE)
      const huge = {
        ...weights,
        read: async (name: string, into: Float32Array) => void (await weights.read(name, into), (into[0] = 3.4e38)),
      }
      const target = join(folder, 'out')
      await expect(writeModel(target, { ...model, weights: huge }, { dtype: 'bfloat16' })).rejects.toMatchObject({
        code: 'PLUMB_NON_FINITE_WEIGHTS',
      })
      expect(await readdir(folder)).toEqual([])
    })
  })
})
