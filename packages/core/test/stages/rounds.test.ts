import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { explain, roundName, runConfig, withTrained, type ReportRow, type RunEvent } from '../../src'
import { DatasetSampler } from '../../src/samplers/dataset'
import { filesBelow, world } from '../support/world'

const TWO = { config: { rounds: 2 } }

const ended = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === 'stage-end' ? [[event.stage, event.variant].filter(Boolean).join(' ')] : []))

describe('rounds: 2', () => {
  it('samples from each variant’s own model, labels, and aligns it again; the first round is that of one round', async () => {
    const { config, registry } = await world()
    const once = await runConfig({ config, registry })
    const first = await filesBelow(config.run)
    const events: RunEvent[] = []
    const twice = await runConfig({ config: { ...config, rounds: 2 }, registry, onEvent: (event) => events.push(event) })
    expect(ended(events)).toEqual([
      'sample boundary+2',
      'label boundary+2',
      'align boundary+2',
      'sample stay+2',
      'label stay+2',
      // the frozen reference of the second round is the policy that its samples are of
      'align reference',
      'align stay+2',
      'sample control+2',
      'label control+2',
      'align control+2',
      'evaluate boundary+2',
      'evaluate stay+2',
      'evaluate control+2',
    ])
    expect(twice.rows.map(({ name, round }) => [name, round])).toEqual([
      ['VFT', undefined],
      ['boundary', 1],
      ['stay', 1],
      ['control', 1],
      ['boundary+2', 2],
      ['stay+2', 2],
      ['control+2', 2],
    ])
    const withoutRound = (row: ReportRow) => ({ ...row, round: undefined })
    expect(twice.rows.slice(0, 4).map(withoutRound)).toEqual(once.rows.map(withoutRound))
    expect(twice.samples).toEqual(once.samples)
    expect(Object.keys(twice.furtherSamples ?? {})).toEqual(['boundary+2', 'stay+2', 'control+2'])
    expect(twice.furtherSamples?.['boundary+2']).toMatchObject({ questions: 8, sampled: 40, references: 8 })
    // nothing of the first round was touched
    const both = await filesBelow(config.run)
    for (const [name, bytes] of Object.entries(first))
      if (!/^report\.(json|md)$/.test(name)) expect([name, both[name]!.equals(bytes)]).toEqual([name, true])
    const page = await readFile(path.join(config.run, 'report.md'), 'utf8')
    expect(page).toContain('| | round | accuracy % |')
    expect(page).toMatch(/\| boundary\+2 \| 2 \| /)
    expect(page).toContain('| | boundary+2 | stay+2 | control+2 |')
  })

  it('compares each round with the control after as many', async () => {
    const { rows } = await runConfig(await world(TWO))
    const row = (name: string) => rows.find((each) => each.name === name)!
    const difference = (a: string, b: string) => (row(a).accuracy ?? NaN) - (row(b).accuracy ?? NaN)
    expect(row('boundary').versusControl?.difference).toBeCloseTo(difference('boundary', 'control'), 12)
    expect(row('boundary+2').versusControl?.difference).toBeCloseTo(difference('boundary+2', 'control+2'), 12)
    expect(row('control').versusControl).toBeUndefined()
    expect(row('control+2').versusControl).toBeUndefined()
  })

  it('draws other samples in the second round, of the same model too', async () => {
    const made = await world({
      config: {
        rounds: 2,
        align: [{ name: 'idle', steps: 0, losses: [{ loss: 'sft' }] }],
        sft: { steps: 8, batchSize: 8, learningRate: 0.05 },
      },
    })
    const report = await runConfig(made)
    const files = await filesBelow(made.config.run)
    expect(report.notices.filter((notice) => notice.startsWith('idle+2: ')).length).toBeGreaterThan(0)
    const samples = Object.keys(files)
      .filter((name) => name.endsWith('samples.jsonl'))
      .map((name) => files[name]!.toString())
    expect(samples).toHaveLength(2)
    expect(samples[0]).not.toBe(samples[1])
  })

  it('goes on after an abort anywhere and ends with the same bytes', async () => {
    const whole = await world(TWO)
    await runConfig(whole)
    const expected = await filesBelow(whole.config.run)
    const cut = await world(TWO)
    let interruptions = 0
    for (let limit = 5; ; limit = 5 + ((limit * 7) % 23)) {
      const controller = new AbortController()
      let seen = 0
      const onEvent = () => {
        if (++seen === limit + 25) controller.abort()
      }
      try {
        await runConfig({ ...cut, onEvent, signal: controller.signal })
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'PLUMB_INTERRUPTED' })
        interruptions++
      }
    }
    expect(interruptions).toBeGreaterThan(5)
    const actual = await filesBelow(cut.config.run)
    expect(Object.keys(actual)).toEqual(Object.keys(expected))
    for (const [name, bytes] of Object.entries(expected)) expect([name, actual[name]!.equals(bytes)]).toEqual([name, true])
  })

  it('runs one variant alone, with its rounds', async () => {
    const { config, registry } = await world(TWO)
    const events: RunEvent[] = []
    await runConfig({ config, registry, last: 'align', variant: 'control', onEvent: (event) => events.push(event) })
    expect(ended(events)).toEqual(['sft', 'sample', 'label', 'align control', 'sample control+2', 'label control+2', 'align control+2'])
  })

  it('is explained: what would be reused, and the first stage of the second round that is not there', async () => {
    const { config, registry } = await world()
    await runConfig({ config, registry })
    const found = await explain({ config: { ...config, rounds: 2 }, registry, stage: 'align', variant: 'boundary' })
    expect(found.map(({ stage, state }) => [stage, state])).toEqual([
      ['sft', 'reused'],
      ['sample', 'reused'],
      ['label', 'reused'],
      ['align boundary', 'reused'],
      ['sample boundary+2', 'new'],
    ])
    expect(found.at(-1)?.sentence).toBe('sample boundary+2 has not been done here yet.')
  })

  it('lends the model of each round by its name', async () => {
    const { config, registry } = await world(TWO)
    await runConfig({ config, registry })
    const lent = async (variant?: string) =>
      withTrained({ config, registry, variant }, async ({ name, round, source }) => Promise.resolve({ name, round, source }))
    const [first, second] = [await lent('boundary'), await lent('boundary+2')]
    expect(first).toMatchObject({ name: 'boundary', round: 1 })
    expect(second).toMatchObject({ name: 'boundary+2', round: 2 })
    expect(JSON.stringify(first.source)).not.toBe(JSON.stringify(second.source))
    await expect(lent('boundary+3')).rejects.toMatchObject({ code: 'PLUMB_UNKNOWN_VARIANT' })
    await expect(lent()).rejects.toMatchObject({ code: 'PLUMB_VARIANT_NEEDED', message: expect.stringContaining('boundary+2') as string })
  })

  it('goes on with an adapter where a variant has one', async () => {
    const lora = { rank: 4, alpha: 8, targetModules: ['table'] }
    const made = await world({
      config: {
        rounds: 2,
        align: [{ name: 'low', steps: 3, batchSize: 4, learningRate: 0.05, lora, losses: [{ loss: 'sft' }, { loss: 'contrast' }] }],
      },
    })
    await runConfig(made)
    const folders = (await readdir(made.config.run)).filter((name) => name.startsWith('align-low'))
    expect(folders.map((name) => name.replace(/-[0-9a-f]{8}$/, '')).sort()).toEqual(['align-low', 'align-low+2'])
    for (const folder of folders) expect(await readdir(path.join(made.config.run, folder))).toContain('adapter')
    const sources = await Promise.all(
      ['low', 'low+2'].map((variant) => withTrained({ ...made, variant }, async ({ source }) => Promise.resolve(source))),
    )
    // both are on the stage-1 model, and neither on the other
    expect(sources.map(({ kind }) => kind)).toEqual(['adapter', 'adapter'])
    expect(new Set(sources.map((source) => JSON.stringify('base' in source ? source.base : undefined))).size).toBe(1)
  })

  it('refuses what it could not go on with', async () => {
    const fromBase = await world({
      config: { rounds: 2, align: [{ name: 'again', steps: 1, startFrom: 'base', losses: [{ loss: 'sft' }] }] },
    })
    await expect(runConfig(fromBase)).rejects.toThrow(/startFrom is base, and with rounds: 2 a variant goes on from its own model/)
    const given = await world({ ...TWO, sampler: new DatasetSampler() })
    await expect(runConfig(given)).rejects.toThrow(/rounds is 2, and the sampler "dataset" takes candidates that are given/)
    await expect(runConfig(await world({ config: { rounds: 0 } }))).rejects.toMatchObject({ code: 'PLUMB_CONFIG_INVALID' })
  })
})

it('names a model by its round', () => {
  expect([1, 2, 3].map((round) => roundName('boundary', round))).toEqual(['boundary', 'boundary+2', 'boundary+3'])
})
