import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type GroupRecord, type RunEvent, type RunReport } from '../../src'
import { pairedDifference, wilsonInterval } from '../../src/diagnostics/intervals'
import { artifact, question, world, writeRecords, type World } from '../support/world'

const training = { batchSize: 4, learningRate: 0.05 }
const small = {
  sft: { ...training, steps: 6 },
  sample: { k: 2, maxNewTokens: 3 },
  align: [{ ...training, name: 'contrast', steps: 2, losses: [{ loss: 'sft' }, { loss: 'contrast' }] }],
  evaluate: { maxNewTokens: 3 },
}

/** A world whose `data` names files of these records. */
async function with_(
  data: (file: (name: string) => string) => object,
  files: Readonly<Record<string, readonly GroupRecord[]>>,
): Promise<World> {
  const base = await world({ config: small })
  const file = (name: string): string => path.join(base.folder, `${name}.jsonl`)
  for (const [name, records] of Object.entries(files)) await writeRecords(file(name), records)
  return { ...base, config: { ...base.config, data: { ...base.config.data, ...data(file) } } }
}

interface Ran {
  readonly report: RunReport
  readonly events: readonly RunEvent[]
  readonly done: readonly string[]
}

async function run(made: World): Promise<Ran> {
  const events: RunEvent[] = []
  const report = await runConfig({ ...made, onEvent: (event) => events.push(event) })
  const done = events.flatMap((event) => (event.type === 'stage-end' ? [[event.stage, event.variant].filter(Boolean).join(' ')] : []))
  return { report, events, done }
}

const digits = (name: string, from: number, count: number) =>
  Array.from({ length: count }, (_, n) => question(`${name}-${n}`, (from + n) % 10))

describe('several sources in data.train', () => {
  const files = { a: digits('x', 0, 4), b: digits('x', 4, 4) }

  it('are one set, whose ids begin with the names, every record once', async () => {
    const made = await with_((file) => ({ train: [file('a'), file('b')] }), files)
    const { report, events } = await run(made)
    const sampled = await artifact<{ id: string }>(made, 'sample', 'samples.jsonl')
    expect(sampled.map(({ id }) => id)).toEqual(['a/x-0', 'a/x-1', 'a/x-2', 'a/x-3', 'b/x-0', 'b/x-1', 'b/x-2', 'b/x-3'])
    const figures = ['a', 'b'].map((name) => ({ source: `data.train.${name}`, records: 4, leftOut: {}, drawn: 4 }))
    expect(report.sources).toEqual([...figures, { source: 'data.test', records: 8, leftOut: {}, drawn: 8 }])
    expect(events.filter(({ type }) => type === 'data')).toHaveLength(3)
  })

  const mixed = (weights: readonly [number, number], more: object = {}) =>
    with_(
      (file) => ({
        train: [
          { path: file('a'), weight: weights[0] },
          { path: file('b'), weight: weights[1] },
        ],
        ...more,
      }),
      files,
    )
  const idsOf = async (made: World) => (await artifact<{ id: string }>(made, 'sample', 'samples.jsonl')).map(({ id }) => id)

  it('are drawn from by their weights, and the run says how many', async () => {
    const made = await mixed([1, 2])
    const { report } = await run(made)
    const ids = await idsOf(made)
    expect([ids.filter((id) => id.startsWith('a/')).length, ids.filter((id) => id.startsWith('b/')).length]).toEqual([2, 4])
    expect(report.sources?.slice(0, 2)).toEqual([
      { source: 'data.train.a', records: 4, leftOut: {}, drawn: 2, weight: 1 },
      { source: 'data.train.b', records: 4, leftOut: {}, drawn: 4, weight: 2 },
    ])
    expect(report.notices).toContain('For its weight 1, 2 of the 4 records of data.train.a are drawn.')
    expect(await readFile(path.join(made.config.run, 'report.md'), 'utf8')).toContain(
      '| data.train.a | 4 | 1 | 2 | – |\n| data.train.b | 4 | 2 | 4 | – |',
    )
  })

  it('are repeated where nothing is to be left out, and a repeated question is sampled anew', async () => {
    const made = await mixed([1, 2], { mixStrategy: 'over' })
    const { report } = await run(made)
    const ids = await idsOf(made)
    expect(ids.filter((id) => id.startsWith('b/'))).toEqual(
      [0, 1, 2, 3].flatMap((n) => `b/x-${n}`).concat([0, 1, 2, 3].map((n) => `b/x-${n}#2`)),
    )
    expect(report.notices).toContain('For its weight 2, the 4 records of data.train.b are repeated, 8 in all (2.00 times each).')
  })

  it('weights of the same proportions change nothing, others do all again', async () => {
    const made = await mixed([1, 2])
    await run(made)
    const again = (weights: readonly [number, number]) => {
      const [a, b] = (made.config.data as { train: { path: string }[] }).train
      const train = [
        { ...a, weight: weights[0] },
        { ...b, weight: weights[1] },
      ]
      return run({ ...made, config: { ...made.config, data: { ...made.config.data, train } as never } })
    }
    expect((await again([50, 100])).done).toEqual([])
    expect((await again([2, 1])).done[0]).toBe('sft')
  })

  it('of which one changes do what depends on it again: not stage 1 for data.questions', async () => {
    const made = await with_((file) => ({ train: file('a'), questions: { one: file('b'), two: file('c') } }), {
      ...files,
      c: digits('c', 1, 3),
    })
    await run(made)
    await writeRecords(path.join(made.folder, 'c.jsonl'), digits('c', 2, 3))
    const { done } = await run(made)
    expect(done[0]).toBe('sample')
    expect(done).not.toContain('sft')
  })
})

describe('several test sets', () => {
  const sets = { near: digits('t', 0, 5), far: digits('t', 5, 3) }
  const tests = () => with_((file) => ({ test: { near: file('near'), far: file('far') } }), sets)

  it('are each what a run with that set alone reports of it, and together the sums', async () => {
    const both = (await run(await tests())).report
    const alone = await Promise.all(
      (['near', 'far'] as const).map(async (name) => (await run(await with_((file) => ({ test: file(name) }), sets))).report),
    )
    for (const [r, row] of both.rows.entries()) {
      const [near, far] = row.sets!
      // Greedy answers do not depend on what else is asked; the candidates are drawn from streams of their own.
      for (const [s, set] of [near, far].entries()) {
        const own = alone[s]!.rows[r]!
        expect(set).toMatchObject({
          questions: own.questions,
          accuracy: own.accuracy,
          interval: own.interval,
          parseFailures: own.parseFailures,
        })
        expect(set?.versusControl).toEqual(own.versusControl)
      }
      expect([near?.name, far?.name]).toEqual(['near', 'far'])
      const right = near!.accuracy! * 5 + far!.accuracy! * 3
      expect(row).toMatchObject({ questions: 8, accuracy: right / 8, interval: wilsonInterval(Math.round(right), 8) })
    }
  })

  it('give the same page but for what is of each set', async () => {
    const made = await tests()
    const { report } = await run(made)
    const page = await readFile(path.join(made.config.run, 'report.md'), 'utf8')
    expect(page).toContain('The figures above are of all 2 test sets together, every question counting once.')
    expect(page).toContain('## near\n\nThe 5 questions of this test set alone.\n\n| | accuracy %')
    expect(page).toContain('## far\n\nThe 3 questions of this test set alone.\n\n| | accuracy %')
    const [vft, contrast] = report.rows
    expect(JSON.parse(await readFile(path.join(made.config.run, 'report.json'), 'utf8'))).toMatchObject({
      rows: [{ sets: [{ questions: 5 }, { questions: 3 }] }, { sets: [{ questions: 5 }, { questions: 3 }] }],
    })
    expect(contrast!.versusControl).toEqual(pairedDifference(await hits(made, 'contrast'), await hits(made, 'VFT')))
    expect(vft!.sets!.every(({ versusControl }) => versusControl === undefined)).toBe(true)
  })

  const hits = async (made: World, name: string): Promise<number[]> =>
    (await Promise.all(['near', 'far'].map((set) => artifact<{ right: boolean }>(made, `evaluate-${name}@${set}`, 'answers.jsonl'))))
      .flat()
      .map(({ right }) => Number(right))

  it('of which one changes are evaluated again on that one alone; a further one is evaluated and nothing else', async () => {
    const made = await tests()
    await run(made)
    await writeRecords(path.join(made.folder, 'far.jsonl'), digits('t', 2, 3))
    expect((await run(made)).done).toEqual(['evaluate candidates@far', 'evaluate VFT@far', 'evaluate contrast@far'])
    await writeRecords(path.join(made.folder, 'new.jsonl'), digits('n', 1, 2))
    const { test } = made.config.data as { test: object }
    const more = {
      ...made,
      config: { ...made.config, data: { ...made.config.data, test: { ...test, new: path.join(made.folder, 'new.jsonl') } } as never },
    }
    expect((await run(more)).done).toEqual(['evaluate candidates@new', 'evaluate VFT@new', 'evaluate contrast@new'])
  })

  it('that stand in the training data are named one by one', async () => {
    const made = await with_((file) => ({ train: file('near'), test: { near: file('near'), far: file('far') } }), sets)
    const { report } = await run(made)
    const said = report.notices.filter((notice) => notice.includes('stand in'))
    expect(said).toEqual([
      'All 5 questions of data.test.near stand in data.train too: what is measured on them says little about new questions.',
    ])
  })
})

describe('one test set in a list', () => {
  it('is the run of the plain one, byte for byte', async () => {
    const files = { t: digits('t', 0, 4) }
    const plain = await with_((file) => ({ test: file('t') }), files)
    const first = await run(plain)
    const test = [{ ...(plain.config.data as { test: unknown }), path: path.join(plain.folder, 't.jsonl'), name: 'only' }].map(
      ({ path: file, name }) => ({ path: file, name }),
    )
    const second = await run({ ...plain, config: { ...plain.config, data: { ...plain.config.data, test } } })
    expect(second.done).toEqual([])
    expect({ ...second.report, seconds: 0 }).toEqual({ ...first.report, seconds: 0 })
    expect(first.report.sources).toBeUndefined()
  })
})

describe('records that are left out', () => {
  it('are counted by their reasons, in an event, a notice and the report', async () => {
    const made = await with_((file) => ({ train: { path: file('a'), onInvalid: 'skip' } }), { a: digits('x', 0, 4) })
    const file = path.join(made.folder, 'a.jsonl')
    const broken = ['{"prompt":"q1"', '{"prompt":"q1","candidates":[{"txt":"s1"}]}', '{"prompt":"q1","answer":"a1"}']
    await writeFile(file, `${broken.join('\n')}\n${await readFile(file, 'utf8')}`)
    const { report, events } = await run(made)
    const figures = {
      source: 'data.train',
      records: 4,
      leftOut: { PLUMB_DATA_JSON: 1, PLUMB_DATA_FIELD: 1, PLUMB_DATA_NO_REFERENCE: 1 },
      drawn: 4,
    }
    expect(events).toContainEqual({ type: 'data', ...figures })
    expect(report.sources).toContainEqual(figures)
    expect(report.notices).toContain(
      '3 of 7 records of data.train left out (1 PLUMB_DATA_JSON, 1 PLUMB_DATA_FIELD, 1 PLUMB_DATA_NO_REFERENCE).',
    )
    expect(await readFile(path.join(made.config.run, 'report.md'), 'utf8')).toContain(
      '| data.train | 4 | – | 4 | 1 PLUMB_DATA_JSON, 1 PLUMB_DATA_FIELD, 1 PLUMB_DATA_NO_REFERENCE |',
    )
  })

  it('are not all of them: a file of nothing else is refused with the first reason', async () => {
    const made = await with_((file) => ({ train: { path: file('a'), onInvalid: 'skip' } }), { a: [] })
    await writeFile(path.join(made.folder, 'a.jsonl'), '{"question":"x","answer":"y"}\n')
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_DATA_EMPTY',
      message: expect.stringMatching(/^Every record of the file is left out\. The first: "prompt" is missing.*format "qa"/) as string,
    })
  })
})
