import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { readSafetensors, readTrainingState, writeSafetensors, writeTrainingState, type TrainingState, type WeightTensor } from '../src'
import { inFreshFolder } from './support/folders'

const tensor = (...data: number[]): WeightTensor => ({ shape: [data.length], data: Float32Array.from(data) })
const state = (step = 7, first = 1): TrainingState => ({
  weight: new Map([['a', tensor(first, 2)], ['b', tensor(3)]]),
  mean: new Map([['a', tensor(0.1, 0.2)]]),
  variance: new Map([['a', tensor(0.01, 0.02)]]),
  step,
}) // prettier-ignore
const shape = {
  parameters: new Map([['a', [2]], ['b', [1]]]),
  frozen: new Set(['b']),
} // prettier-ignore
const [STEP, TENSORS] = ['training-state.json', 'training-state.safetensors']

/** Writes a state, lets `change` damage it, and reads it again. */
const damaged = (change: (folder: string) => Promise<unknown>, read = shape) =>
  inFreshFolder(async (parent) => {
    const folder = join(parent, 'state')
    await writeTrainingState(folder, state())
    await change(folder)
    return readTrainingState(folder, read)
  })

const rewritten = (tensors: (found: Map<string, WeightTensor>) => void) => async (folder: string) => {
  const found = await readSafetensors(join(folder, TENSORS))
  tensors(found)
  const checksum = await writeSafetensors(join(folder, TENSORS), found, { step: '7' })
  await writeFile(join(folder, STEP), JSON.stringify({ format: 2, step: 7, crc32: checksum }))
}

describe('a training state', () => {
  it('is read as it was written', async () => {
    expect(await damaged(async () => undefined)).toEqual(state())
  })

  it('with a bit changed in any byte of either file, is refused with what to do', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'state')
      await writeTrainingState(folder, state())
      for (const name of [STEP, TENSORS]) {
        const whole = await readFile(join(folder, name))
        for (let bit = 0; bit < 8 * whole.length; bit += 9) {
          const changed = Buffer.from(whole)
          changed[bit >> 3]! ^= 1 << (bit & 7)
          await writeFile(join(folder, name), changed)
          const found = await readTrainingState(folder, shape).catch((error: unknown) => error)
          // White space at the end of the JSON carries nothing.
          if (name === STEP && bit >> 3 === whole.length - 1 && !(found instanceof Error)) expect(found).toEqual(state())
          else
            expect([bit, found]).toEqual([
              bit,
              expect.objectContaining({
                code: 'PLUMB_STATE_MALFORMED',
                message: expect.stringContaining('Delete the checkpoint') as unknown,
              }),
            ])
        }
        await writeFile(join(folder, name), whole)
      }
    })
  })

  it.each([
    ['a cut tensor file', (f: string) => truncate(join(f, TENSORS), 100), TENSORS, 'its bytes are not those that were written'],
    ['an empty tensor file', (f: string) => truncate(join(f, TENSORS), 0), TENSORS, 'its bytes are not those that were written'],
    ['a cut step file', (f: string) => truncate(join(f, STEP), 12), STEP, 'it is not {"format": 2'],
    ['NUL bytes for a step file', (f: string) => writeFile(join(f, STEP), Buffer.alloc(40)), STEP, 'it is not {"format": 2'],
    ['null', (f: string) => writeFile(join(f, STEP), 'null'), STEP, 'it is not {"format": 2'],
    [
      'a state of another version',
      (f: string) => writeFile(join(f, STEP), '{"format":1,"step":7}'),
      STEP,
      'of format 1, which another version wrote',
    ],
    [
      'a folder for the tensors',
      async (f: string) => (await rm(join(f, TENSORS)), mkdir(join(f, TENSORS))),
      TENSORS,
      'This is a folder; expected a file.',
    ],
    [
      'a folder for the step',
      async (f: string) => (await rm(join(f, STEP)), mkdir(join(f, STEP))),
      STEP,
      'This is a folder; expected a file.',
    ],
    [
      'numbers that are not finite',
      rewritten((found) => found.set('weight.b', tensor(NaN))),
      TENSORS,
      'weight.b holds numbers that are not finite.',
    ],
    [
      'moments that are not finite',
      rewritten((found) => found.set('variance.a', tensor(0, Infinity))),
      TENSORS,
      'variance.a holds numbers that are not finite.',
    ],
  ])('refuses %s', async (_, change, file, message) => {
    await expect(damaged(change)).rejects.toMatchObject({
      code: 'PLUMB_STATE_MALFORMED',
      message: expect.stringContaining(message) as unknown,
      where: expect.stringContaining(file) as unknown,
    })
  })

  it('refuses files of two steps', async () => {
    const other = (name: string) => async (folder: string) => {
      await writeTrainingState(`${folder}-8`, state(8, 5))
      await copyFile(join(`${folder}-8`, name), join(folder, name))
    }
    for (const name of [STEP, TENSORS]) await expect(damaged(other(name))).rejects.toMatchObject({ code: 'PLUMB_STATE_MALFORMED' })
    // With the checksum of the other's tensors too, the step within them has the word.
    const forged = async (folder: string) => {
      await writeFile(join(folder, STEP), JSON.stringify({ format: 2, step: 8, crc32: crc32(await readFile(join(folder, TENSORS))) }))
    }
    await expect(damaged(forged)).rejects.toMatchObject({
      message: expect.stringContaining('says step 8, its tensors are of step "7"') as unknown,
    })
  })

  it('refuses the state of another model or of other frozen parameters', async () => {
    const parameters = (...list: [string, number[]][]) => ({ parameters: new Map(list), frozen: shape.frozen })
    const nothing = () => Promise.resolve()
    const differs = (message: string) => ({ code: 'PLUMB_STATE_MODEL_DIFFERS', message })
    await expect(damaged(nothing, parameters(['a', [3]], ['b', [1]]))).rejects.toMatchObject(
      differs('weight.a has shape [2]; this model has [3].'),
    )
    await expect(damaged(nothing, parameters(['a', [2]], ['b', [1]], ['c', [1]]))).rejects.toMatchObject(
      differs('weight.c is missing; this model has [1].'),
    )
    await expect(damaged(nothing, { parameters: new Map([['a', [2]]]), frozen: new Set<string>() })).rejects.toMatchObject(
      differs('The state holds weight.b, which this model does not have.'),
    )
    await expect(damaged(nothing, { ...shape, frozen: new Set(['a', 'b']) })).rejects.toMatchObject(
      differs('The state was written while a was trained; here it is frozen.'),
    )
  })

  it('of numbers that are not finite is not written, and the one before stays', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'state')
      await writeTrainingState(folder, state())
      for (const part of ['weight', 'mean', 'variance'] as const) {
        const bad = { ...state(8), [part]: new Map([['a', tensor(1, -Infinity)], ['b', tensor(1)]]) } // prettier-ignore
        await expect(writeTrainingState(folder, bad)).rejects.toMatchObject({
          code: 'PLUMB_NON_FINITE_WEIGHTS',
          message: `Tensor ${part}.a holds numbers that are not finite; such a state is not saved.`,
        })
      }
      expect(await readTrainingState(folder, shape)).toEqual(state())
    })
  })
})
