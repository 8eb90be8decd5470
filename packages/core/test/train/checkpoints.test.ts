import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ReferenceLikelihood, trainingSchema, type Policy } from '../../src'
import { train, type TrainingInput } from '../../src/train/loop'
import { trainingStep, type TrainingGroup } from '../../src/train/step'
import { BigramBackend } from '../support/bigram-backend'
import { failure, folderWith } from '../support/files'
import { WORDS } from '../support/world'

const config = trainingSchema.parse({ steps: 8, batchSize: 1, learningRate: 0.1, schedule: 'constant', checkpointEvery: 2 })
const group = (n: number): TrainingGroup => ({
  id: `q${n}`,
  prompt: [3 + n],
  completions: [[5 + n]],
  k: 1,
  lengths: [1],
  positive: [true],
  rewards: [1],
  reference: [true],
})
const sft = [{ name: 'sft', loss: new ReferenceLikelihood(), weight: 1 }]
const open = () => new BigramBackend().open({ kind: 'scratch', architecture: { words: WORDS }, tokenizer: '', seed: 1 })

function input(policy: Policy, folder: string, more: Partial<TrainingInput> = {}): TrainingInput {
  return { policy, config, totalSteps: 8, folder, title: 'sft', step: (n) => trainingStep(sft, [group(n % 5)]), ...more }
}

async function scores(policy: Policy) {
  return policy.logProbs(Array.from({ length: 8 }, (_, n) => ({ id: String(n), prompt: [3 + n], completions: [[4], [5 + n]] })))
}

/** A stage that was killed in step 8, with checkpoints of steps 4 and 6. */
async function killed(): Promise<string> {
  const folder = folderWith({})
  const dies = (n: number) => {
    if (n === 7) throw new Error('killed')
    return trainingStep(sft, [group(n % 5)])
  }
  await expect(train(input(await open(), folder, { step: dies }))).rejects.toThrow('killed')
  expect(readdirSync(path.join(folder, 'checkpoints')).sort()).toEqual(['step-4', 'step-6'])
  return folder
}

/** Goes on in the folder; what was said, and whether it ends as an undisturbed run does. */
async function continued(folder: string) {
  const policy = await open()
  const said: string[] = []
  let startedAt = -1
  const outcome = await train(input(policy, folder, { say: (message) => said.push(message), onStart: (step) => (startedAt = step) }))
  const whole = await open()
  expect(outcome).toEqual(await train(input(whole, folderWith({}))))
  expect(await scores(policy)).toEqual(await scores(whole))
  return { said, startedAt }
}

const at = (folder: string, ...names: string[]) => path.join(folder, 'checkpoints', ...names)
const anyState = (folder: string, step: string) => at(folder, step, 'policy', readdirSync(at(folder, step, 'policy'))[0] ?? '')

describe('a stage that was killed', () => {
  it('goes on from its last checkpoint', async () => {
    expect(await continued(await killed())).toEqual({ said: [], startedAt: 6 })
  })

  it.each<[string, (folder: string) => void, RegExp]>([
    [
      'loop.json is cut off',
      (folder) => truncateSync(at(folder, 'step-6', 'loop.json'), 9),
      /loop\.json is damaged\. Training goes on from .* step 4\./,
    ],
    ['loop.json is empty', (folder) => truncateSync(at(folder, 'step-6', 'loop.json')), /loop\.json is damaged/],
    ['loop.json is missing', (folder) => rmSync(at(folder, 'step-6', 'loop.json')), /loop\.json is damaged/],
    [
      'loop.json is not of this step',
      (folder) => cpSync(at(folder, 'step-4', 'loop.json'), at(folder, 'step-6', 'loop.json')),
      /is that of step 4, not of step 6/,
    ],
    [
      'the state is that of another step',
      (folder) => cpSync(anyState(folder, 'step-4'), anyState(folder, 'step-6')),
      /is not as it was saved/,
    ],
    ['the state is cut off', (folder) => truncateSync(anyState(folder, 'step-6'), 5), /is not as it was saved/],
    ['the state is gone', (folder) => rmSync(anyState(folder, 'step-6')), /is not as it was saved/],
    [
      'metrics.jsonl is shorter',
      (folder) => shorten(path.join(folder, 'metrics.jsonl'), 5),
      /lost its metrics: metrics\.jsonl ends at step 5/,
    ],
  ])('where %s goes on from the checkpoint before, says so, and ends with the same bits', async (_, damage, message) => {
    const folder = await killed()
    damage(folder)
    const { said, startedAt } = await continued(folder)
    expect(startedAt).toBe(4)
    expect(said).toEqual([expect.stringMatching(message)])
  })

  it('where a bit of the state flipped does likewise', async () => {
    const folder = await killed()
    const bytes = readFileSync(anyState(folder, 'step-6'))
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4
    writeFileSync(anyState(folder, 'step-6'), bytes)
    expect((await continued(folder)).startedAt).toBe(4)
  })

  it('with no checkpoint that is whole says what to delete, and changes nothing', async () => {
    const folder = await killed()
    for (const step of ['step-4', 'step-6']) truncateSync(at(folder, step, 'loop.json'), 3)
    const metrics = readFileSync(path.join(folder, 'metrics.jsonl'))
    const error = await failure(async () => train(input(await open(), folder)))
    expect(error).toMatchObject({ code: 'PLUMB_CHECKPOINT_DAMAGED', where: at(folder) })
    expect(error.message).toMatch(
      /step-6\/loop\.json is damaged\. Delete the folder .*checkpoints to train this stage again from its first step\.$/,
    )
    expect(readFileSync(path.join(folder, 'metrics.jsonl')).equals(metrics)).toBe(true)
    expect(readdirSync(at(folder)).sort()).toEqual(['step-4', 'step-6'])
  })

  it('whose checkpoints are a link deletes nothing behind it', async () => {
    const folder = await killed()
    const elsewhere = folderWith({ 'precious.txt': '', 'unfinished/precious.txt': '' })
    renameSync(at(folder), `${at(folder)}.aside`)
    symlinkSync(elsewhere, at(folder))
    expect((await failure(async () => train(input(await open(), folder)))).code).toBe('PLUMB_CHECKPOINT_LINK')
    expect(readdirSync(elsewhere).sort()).toEqual(['precious.txt', 'unfinished'])
  })

  it('leaves what is not its own among the checkpoints alone, and removes what it did not finish', async () => {
    const folder = await killed()
    writeFileSync(at(folder, 'notes.txt'), '')
    mkdirSync(at(folder, 'unfinished'))
    await continued(folder)
    expect(readdirSync(at(folder)).sort()).toEqual(['notes.txt', 'step-4', 'step-6'])
  })
})

describe('weights of a step whose metrics could not be written', () => {
  it('are never saved as those of the step before', async () => {
    // steps 1 to 3 are done without a validation, which comes with the checkpoint of step 4
    const every4 = { ...config, checkpointEvery: 4 }
    const cut = async (reason: (signal: AbortSignal) => unknown) => {
      const folder = folderWith({})
      const controller = new AbortController()
      const validate = () => {
        controller.abort()
        const why = reason(controller.signal) as Error
        return Promise.reject(why)
      }
      const error = await failure(async () => train(input(await open(), folder, { config: every4, validate, signal: controller.signal })))
      expect(readdirSync(at(folder))).toEqual([])
      return error
    }
    expect((await cut(() => new Error('the validation failed'))).message).toBe('the validation failed')
    expect(await cut(({ reason }) => reason)).toMatchObject({
      code: 'PLUMB_INTERRUPTED',
      message: expect.stringContaining('after step 0 of 8') as string,
    })
  })
})

function shorten(file: string, lines: number): void {
  writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, lines).map((line) => `${line}\n`).join('')) // prettier-ignore
}
