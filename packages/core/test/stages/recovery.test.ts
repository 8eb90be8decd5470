import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { appendFile, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runPipeline } from '../../src'
import { ownIdentity } from '../../src/util/process-identity'
import { filesBelow, world, type World } from '../support/world'

/** Small, since every place of interruption is a run. */
const small = {
  config: {
    sft: { steps: 6, batchSize: 4, learningRate: 0.05, checkpointEvery: 2 },
    align: [{ name: 'stay', steps: 4, batchSize: 3, learningRate: 0.05, checkpointEvery: 2, losses: [{ loss: 'sft' }, { loss: 'stay' }] }],
    sample: { k: 2, maxNewTokens: 4 },
    evaluate: { maxNewTokens: 4 },
  },
}

async function expectSameFiles(actual: World, expected: World): Promise<void> {
  const [a, b] = [await filesBelow(actual.config.run), await filesBelow(expected.config.run)]
  expect(Object.keys(a)).toEqual(Object.keys(b))
  for (const [name, bytes] of Object.entries(b)) expect([name, a[name].equals(bytes)]).toEqual([name, true])
}

describe('a run that was killed', () => {
  it('goes on and ends with the same bytes, wherever it was', async () => {
    const whole = await world(small)
    await runPipeline(whole)
    const calls = new Map<string, number>()
    let dieAt = Infinity
    let count = 0
    const cut = await world({
      ...small,
      onCall: (what) => {
        if (++count < dieAt) return
        calls.set(what, (calls.get(what) ?? 0) + 1)
        throw new Error('killed')
      },
    })
    for (let attempt = 0; ; attempt++) {
      count = 0
      dieAt = [3, 1, 4, 7, 2, 5, 6, 3][attempt % 8] // after a few calls: now and then enough to reach the next checkpoint
      const outcome = await runPipeline(cut).catch((error: Error) => error.message)
      if (outcome !== 'killed') break
    }
    expect([...calls.keys()].sort()).toEqual(['forwardBackward', 'generate', 'logProbs', 'saveState', 'saveWeights', 'saved'])
    await expectSameFiles(cut, whole)
  })

  it('cuts off a torn line and unfinished files', async () => {
    const whole = await world(small)
    await runPipeline(whole)
    let left = 20 // forwardBackward and saves of sft, then some completions
    const cut = await world({
      ...small,
      onCall: () => {
        if (--left === 0) throw new Error('killed')
      },
    })
    await expect(runPipeline(cut)).rejects.toThrow('killed')
    const [sample] = (await readdir(cut.config.run)).filter((name) => name.startsWith('sample-'))
    const folder = path.join(cut.config.run, sample)
    await appendFile(path.join(folder, 'work', 'completions.jsonl'), '{"id":"train-3","cand')
    await writeFile(path.join(folder, '.samples.jsonl.4711.tmp'), 'half')
    await runPipeline(cut)
    await expectSameFiles(cut, whole)
  })

  it.each([
    ['align-reference-', 'logprobs.jsonl', '{"id":"train-0","logProbs":[-999,-999]}\n'],
    ['evaluate-VFT-', 'scores.jsonl', '{"id":"test-0","scores":[-999,-999]}\n'],
  ])('scores a chunk again of which only a part was written (%s)', async (stage, journal, line) => {
    const whole = await world(small)
    await runPipeline(whole)
    let run = ''
    let isToDie = true
    const folderOf = () => readdirSync(run).find((name) => name.startsWith(stage))
    const cut = await world({
      ...small,
      onCall: (what) => {
        if (isToDie && what === 'logProbs' && folderOf() !== undefined) throw new Error('killed')
      },
    })
    run = cut.config.run
    mkdirSync(run, { recursive: true })
    await expect(runPipeline(cut)).rejects.toThrow('killed')
    isToDie = false
    // its numbers are no one's, so the artifact shows whether the part was kept
    writeFileSync(path.join(run, folderOf() ?? '', 'work', journal), line)
    await runPipeline(cut)
    await expectSameFiles(cut, whole)
  })

  it('leaves a lock that the next run takes over', async () => {
    const cut = await world(small)
    await runPipeline({ ...cut, last: 'sft' })
    // this process's own id with another start: a reused one
    await writeFile(path.join(cut.config.run, '.lock'), JSON.stringify({ ...ownIdentity(), start: '1', token: 'x' }))
    await runPipeline({ ...cut, last: 'sft' })
    expect(await readdir(cut.config.run)).not.toContain('.lock')
  })
})

describe('a run folder', () => {
  it('is used by one run at a time', async () => {
    const shared = await world(small)
    const outcomes = await Promise.allSettled([runPipeline(shared), runPipeline(shared)])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const refused = outcomes.find((outcome) => outcome.status === 'rejected')
    expect(refused?.reason).toMatchObject({ code: 'PLUMB_RUN_LOCKED', where: path.join(shared.config.run, '.lock') })
  })
})
