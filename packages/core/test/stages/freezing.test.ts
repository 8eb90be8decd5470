import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig } from '../../src'
import { doubles } from '../support/bigram-policy'
import { world, WORDS, type World } from '../support/world'

const training = { batchSize: 4, learningRate: 0.05, weightDecay: 0.1, checkpointEvery: 2 }
// Rows of the bigram model after the two special tokens; the digits' questions, steps and answers follow each other.
const size = WORDS.length + 3

const config = (sft: object = {}, align: object = {}) => ({
  sft: { ...training, steps: 6, ...sft },
  align: [{ ...training, name: 'control', steps: 4, losses: [{ loss: 'sft' }], ...align }],
  sample: { k: 2, maxNewTokens: 4 },
  evaluate: { maxNewTokens: 4 },
})

async function weights({ config: { run } }: World, stage: string): Promise<Float64Array[]> {
  const folder = (await readdir(run)).find((name) => name.startsWith(`${stage}-`))!
  const all = doubles(await readFile(path.join(run, folder, 'model', 'weights.bin')))
  const rows = Math.sqrt(all.length)
  return Array.from({ length: rows }, (_, row) => all.slice(row * rows, (row + 1) * rows))
}

describe('freeze', () => {
  it('holds what it names bit for bit in sft and in a variant of align, and nothing else', async () => {
    const free = await world({ config: config() })
    await runConfig({ ...free, last: 'sft' })
    const made = await world({ config: config({ steps: 0 }, { freeze: ['rows.{0..9}.weight'] }) })
    await runConfig({ ...made, last: 'align' })
    const [before, after] = [await weights(made, 'sft'), await weights(made, 'align')]
    expect(before.length).toBeGreaterThanOrEqual(size)
    expect(after.slice(0, 10)).toEqual(before.slice(0, 10))
    // decay moves every other row
    for (const [row, values] of after.entries()) if (row > 9) expect(values).not.toEqual(before[row])

    const sft = await world({ config: config({ freeze: ['rows.{5..8}.weight'] }) })
    await runConfig({ ...sft, last: 'sft' })
    const [held, moved] = [await weights(sft, 'sft'), await weights(free, 'sft')]
    expect(held.slice(5, 9)).toEqual(before.slice(5, 9))
    expect(held.slice(5, 9)).not.toEqual(moved.slice(5, 9))
  })

  it('belongs to what determines a stage; without it the stage is what it was', async () => {
    const made = await world({ config: config() })
    await runConfig({ ...made, last: 'sft' })
    await runConfig({ ...made, config: { ...made.config, sft: { ...made.config.sft, freeze: undefined } }, last: 'sft' })
    expect((await readdir(made.config.run)).filter((name) => name.startsWith('sft-'))).toHaveLength(1)
    await runConfig({ ...made, config: { ...made.config, sft: { ...made.config.sft, freeze: ['rows.1.weight'] } }, last: 'sft' })
    expect((await readdir(made.config.run)).filter((name) => name.startsWith('sft-'))).toHaveLength(2)
  })

  it.each([
    ['PLUMB_FREEZE_UNKNOWN', 'a pattern that fits nothing', { freeze: ['model.layers.0.*'] }],
    ['PLUMB_FREEZE_ALL', 'nothing left to train', { freeze: ['*'] }],
  ])('%s in the last stage is said before the first: %s', async (code, _, align) => {
    const made = await world({ config: config({}, align) })
    await expect(runConfig(made)).rejects.toMatchObject({ code, where: 'align "control": freeze' })
    expect(made.backend.opened).toBe(0)
  })

  it('is refused by a backend that cannot, before the first stage where that is known', async () => {
    const knows = await world({ config: config({ freeze: ['rows.1.weight'] }) })
    const { inspect } = knows.backend
    knows.backend.inspect = async (model) => ({ ...(await inspect!(model)), parameterNames: undefined })
    await expect(runConfig(knows)).rejects.toMatchObject({ code: 'PLUMB_FREEZE_UNSUPPORTED', where: 'sft: freeze' })
    expect(knows.backend.opened).toBe(0)

    const cannot = await world({ inspects: false, config: config({ freeze: ['rows.1.weight'] }) })
    const open = cannot.backend.open.bind(cannot.backend)
    cannot.backend.open = async (model) => Object.assign(await open(model), { prepareTraining: undefined })
    await expect(runConfig(cannot)).rejects.toMatchObject({ code: 'PLUMB_FREEZE_UNSUPPORTED' })
    expect(cannot.backend.open_).toBe(0)
  })
})
