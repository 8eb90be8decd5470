import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type RunEvent } from '../../src'
import { filesBelow, question, world } from '../support/world'

const stagesOf = (events: readonly RunEvent[], type: 'stage-end' | 'stage-reused') =>
  events.flatMap((event) => (event.type === type ? [[event.stage, event.variant].filter(Boolean).join(' ')] : []))

const ALL = [
  'sft',
  'sample',
  'label',
  'align boundary',
  'align reference',
  'align stay',
  'align control',
  'evaluate candidates',
  'evaluate VFT',
  'evaluate boundary',
  'evaluate stay',
  'evaluate control',
]

describe('runConfig', () => {
  it('runs every stage, reports every model, and reuses what is finished', async () => {
    const { config, registry, backend } = await world()
    const events: RunEvent[] = []
    const report = await runConfig({ config, registry, onEvent: (event) => events.push(event) })
    expect(stagesOf(events, 'stage-end')).toEqual(ALL)
    expect(report.rows.map(({ name }) => name)).toEqual(['VFT', 'boundary', 'stay', 'control'])
    expect(report.control).toBe('control')
    expect(report.rows[3]!.versusControl).toBeUndefined()
    expect(report.rows[1]!.versusControl).toBeDefined()
    expect(report.design).toMatch(/questions of stage 1/)
    expect(report.samples).toMatchObject({ questions: 8, sampled: 40, references: 8 })
    expect(backend.open_).toBe(0)

    const before = backend.opened
    const again: RunEvent[] = []
    const second = await runConfig({ config, registry, onEvent: (event) => again.push(event) })
    expect(stagesOf(again, 'stage-end')).toEqual([])
    expect(stagesOf(again, 'stage-reused')).toEqual(ALL.filter((name) => name !== 'align reference'))
    expect(backend.opened).toBe(before)
    expect({ ...second, seconds: 0 }).toEqual({ ...report, seconds: 0 })
    expect(JSON.parse(await readFile(path.join(config.run, 'report.json'), 'utf8'))).toMatchObject({
      control: 'control',
      rows: report.rows,
    })
  })

  it('writes the same bytes twice, in another folder', async () => {
    const [a, b] = [await world(), await world()]
    await runConfig(a)
    await runConfig(b)
    const [first, second] = [await filesBelow(a.config.run), await filesBelow(b.config.run)]
    expect(Object.keys(second)).toEqual(Object.keys(first))
    for (const [name, bytes] of Object.entries(first)) expect([name, second[name]!.equals(bytes)]).toEqual([name, true])
    expect(Object.keys(first).some((name) => name.includes('work'))).toBe(false)
  })

  it('goes on after an abort anywhere and ends with the same bytes', async () => {
    const whole = await world()
    let total = 0
    await runConfig({ ...whole, onEvent: () => total++ })
    const expected = await filesBelow(whole.config.run)

    // aborted at several dozen places, one after the other, in one run folder
    const cut = await world()
    let interruptions = 0
    for (let limit = 3; ; limit = 3 + ((limit * 7) % 11)) {
      const controller = new AbortController()
      let seen = 0
      const onEvent = () => {
        if (++seen === limit + 12) controller.abort()
      }
      try {
        await runConfig({ ...cut, onEvent, signal: controller.signal })
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'PLUMB_INTERRUPTED' })
        interruptions++
      }
      expect(cut.backend.open_).toBe(0)
    }
    expect(interruptions).toBeGreaterThan(8)
    const actual = await filesBelow(cut.config.run)
    expect(Object.keys(actual)).toEqual(Object.keys(expected))
    for (const [name, bytes] of Object.entries(expected)) expect([name, actual[name]!.equals(bytes)]).toEqual([name, true])
  })

  it('runs up to a stage, and one variant alone', async () => {
    const { config, registry } = await world()
    const report = await runConfig({ config, registry, last: 'label' })
    expect(report.rows).toEqual([])
    expect(report.samples).toMatchObject({ sampled: 40 })
    const events: RunEvent[] = []
    await runConfig({ config, registry, last: 'align', variant: 'control', onEvent: (event) => events.push(event) })
    expect(stagesOf(events, 'stage-end')).toEqual(['align control'])
    await expect(runConfig({ config, registry, variant: 'contrl' })).rejects.toMatchObject({ code: 'PLUMB_UNKNOWN_VARIANT' })
  })

  it('redoes only what a change touches', async () => {
    const { config, registry } = await world()
    await runConfig({ config, registry })
    const events: RunEvent[] = []
    const [boundary, ...others] = config.align
    const changed = { ...config, align: [{ ...boundary, learningRate: 0.01 }, ...others] }
    await runConfig({ config: changed, registry, onEvent: (event) => events.push(event) })
    expect(stagesOf(events, 'stage-end')).toEqual(['align boundary', 'evaluate boundary'])
  })

  it('learns: stage 1 answers what the untrained model does not, and says which design it was', async () => {
    const held = { questions: [8, 9].map((d) => question(`fresh-${d}`, d, false)) }
    const sft = (steps: number) => ({ config: { sft: { steps, batchSize: 8, learningRate: 0.3 } } })
    const before = await runConfig(await world({ ...held, ...sft(0) }))
    const after = await runConfig(await world({ ...held, ...sft(60) }))
    expect(after.rows[0]!.accuracy).toBe(1)
    expect(before.rows[0]!.accuracy).toBeLessThan(0.5)
    expect(after.design).toMatch(/fresh questions/)
  })
})
