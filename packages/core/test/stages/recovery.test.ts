import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { appendFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type RunEvent } from '../../src'
import { lockFolder } from '../../src/run/lock'
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

const sftFolder = async ({ config }: World) => (await readdir(config.run)).find((name) => name.startsWith('sft-'))!

async function expectSameFiles(actual: World, expected: World): Promise<void> {
  const [a, b] = [await filesBelow(actual.config.run), await filesBelow(expected.config.run)]
  expect(Object.keys(a)).toEqual(Object.keys(b))
  for (const [name, bytes] of Object.entries(b)) expect([name, a[name]!.equals(bytes)]).toEqual([name, true])
}

describe('a run that was killed', () => {
  it('goes on and ends with the same bytes, wherever it was', async () => {
    const whole = await world(small)
    await runConfig(whole)
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
      dieAt = [3, 1, 4, 7, 2, 5, 6, 3][attempt % 8]! // after a few calls: now and then enough to reach the next checkpoint
      const outcome = await runConfig(cut).catch((error: unknown) => (error as Error).message)
      if (outcome !== 'killed') break
    }
    expect([...calls.keys()].sort()).toEqual(['forwardBackward', 'generate', 'logProbs', 'saveState', 'saveWeights', 'saved'])
    await expectSameFiles(cut, whole)
  })

  it('cuts off a torn line and unfinished files', async () => {
    const whole = await world(small)
    await runConfig(whole)
    let left = 20 // forwardBackward and saves of sft, then some completions
    const cut = await world({
      ...small,
      onCall: () => {
        if (--left === 0) throw new Error('killed')
      },
    })
    await expect(runConfig(cut)).rejects.toThrow('killed')
    const [sample] = (await readdir(cut.config.run)).filter((name) => name.startsWith('sample-'))
    const folder = path.join(cut.config.run, sample!)
    await appendFile(path.join(folder, 'work', 'completions.jsonl'), '{"id":"train-3","cand')
    await writeFile(path.join(folder, '.samples.jsonl.4711.tmp'), 'half')
    await runConfig(cut)
    await expectSameFiles(cut, whole)
  })

  it.each([
    ['align-reference-', 'logprobs.jsonl', '{"id":"train-0","logProbs":[-999,-999]}\n'],
    ['evaluate-VFT-', 'scores.jsonl', '{"id":"test-0","scores":[-999,-999]}\n'],
  ])('scores a chunk again of which only a part was written (%s)', async (stage, journal, line) => {
    const whole = await world(small)
    await runConfig(whole)
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
    await expect(runConfig(cut)).rejects.toThrow('killed')
    isToDie = false
    // its numbers are no one's, so the artifact shows whether the part was kept
    writeFileSync(path.join(run, folderOf() ?? '', 'work', journal), line)
    await runConfig(cut)
    await expectSameFiles(cut, whole)
  })

  it('leaves a lock that the next run takes over', async () => {
    const cut = await world(small)
    await runConfig({ ...cut, last: 'sft' })
    const sft = await sftFolder(cut)
    const folder = path.join(cut.config.run, sft)
    // this process's own id with another start: a reused one
    await writeFile(path.join(folder, '.lock'), JSON.stringify({ ...ownIdentity(), start: '1', token: 'x' }))
    await mkdir(path.join(folder, 'work'))
    await runConfig({ ...cut, last: 'sft' })
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining(['.lock', 'work']))
  })
})

describe('a run folder', () => {
  it('is shared: a stage that another run is making is waited for, and made once', async () => {
    const shared = await world(small)
    const events: RunEvent[] = []
    const onEvent = (event: RunEvent) => events.push(event)
    const [first, second] = await Promise.all([runConfig({ ...shared, onEvent }), runConfig({ ...shared, onEvent })])
    expect({ ...second, seconds: 0 }).toEqual({ ...first, seconds: 0 })
    const ends = events.flatMap((event) => (event.type === 'stage-end' ? [`${event.stage} ${event.variant ?? ''}`] : []))
    expect(new Set(ends).size).toBe(ends.length)
    const said = events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
    expect(said.join('\n')).toMatch(/^sft is being made by another run; waiting for it\. \(\S*sft-\w+\/\.lock: /m)
  })

  it('lets two variants be trained at the same time', async () => {
    const [a, b] = ['a', 'b'].map((name) => ({ ...small.config.align[0], name, learningRate: name === 'a' ? 0.05 : 0.1 }))
    const shared = await world({ config: { ...small.config, align: [a, b] } })
    await runConfig({ ...shared, last: 'label' })
    const events: string[] = []
    const run = (variant: string) =>
      runConfig({
        ...shared,
        last: 'align',
        variant,
        onEvent: (event) =>
          (event.type === 'stage-start' || event.type === 'stage-end') && events.push(`${event.type} ${event.variant ?? ''}`),
      })
    await Promise.all([run('a'), run('b')])
    expect(events.filter((event) => event === 'stage-end reference')).toHaveLength(1) // both need it
    expect(events).toEqual(expect.arrayContaining(['stage-end a', 'stage-end b']))
    const alone = await world({ config: { ...small.config, align: [a, b] } })
    await runConfig({ ...alone, last: 'align' })
    await expectSameFiles(shared, alone)
  })

  it('is waited for no longer than one likes', async () => {
    const shared = await world(small)
    await runConfig({ ...shared, last: 'sft' })
    const sft = await sftFolder(shared)
    await rm(path.join(shared.config.run, sft, 'done.json'))
    const unlock = await lockFolder(path.join(shared.config.run, sft))
    const controller = new AbortController()
    const onEvent = (event: RunEvent) => event.type === 'notice' && /waiting/.test(event.message) && controller.abort()
    await expect(runConfig({ ...shared, onEvent, signal: controller.signal })).rejects.toMatchObject({ code: 'PLUMB_INTERRUPTED' })
    await unlock()
  })
})
