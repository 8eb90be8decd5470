import { setTimeout as sleep } from 'node:timers/promises'
import { Reporters, type ReportedEvent, type Reporter, type RunEnd, type RunEvent } from '../../src'

const start: RunEvent = { type: 'run-start', run: '/run', engine: 'e', model: 'm', seed: 1, stages: [{ stage: 'sft' }] }
const end: RunEnd = { type: 'run-end', outcome: 'done', seconds: 1 }
const notice = (message: string): RunEvent => ({ type: 'notice', level: 'info', message })
const progress = (done: number): RunEvent => ({ type: 'progress', stage: 'sft', done, total: 9, unit: 'steps', metrics: { loss: done } })

function reporters(made: Record<string, Reporter>, more: { endMs?: number; mostWaiting?: number } = {}) {
  const warnings: string[] = []
  let time = 100
  const named = Object.entries(made).map(([name, reporter]) => ({ name, made: reporter }))
  const all = new Reporters(named, {
    warn: (message) => warnings.push(message),
    settings: { sft: { steps: 9 } },
    now: () => time++,
    ...more,
  })
  return { all, warnings }
}

/** Remembers what it is told. */
function witness(): Reporter & { readonly told: unknown[] } {
  const told: unknown[] = []
  return {
    told,
    start: (run) => void told.push(['start', run]),
    event: (event, time) => void told.push([event, time]),
    end: (last, time) => void told.push([last, time]),
  }
}

it('tells the start with the settings, every event with its time, then the end', async () => {
  const seen = witness()
  const { all, warnings } = reporters({ seen })
  for (const event of [notice('before the start'), start, progress(1)]) all.take(event)
  await all.end(end)
  expect(seen.told).toEqual([
    ['start', { run: '/run', engine: 'e', model: 'm', seed: 1, stages: [{ stage: 'sft' }], settings: { sft: { steps: 9 } } }],
    [notice('before the start'), 100],
    [progress(1), 102],
    [end, 103],
  ])
  expect(warnings).toEqual([])
})

it('calls one after the other, however long each takes', async () => {
  const order: string[] = []
  const slow: Reporter = {
    start: async () => {
      await sleep(20)
      order.push('start')
    },
    event: async (event) => {
      await sleep(event.type === 'notice' ? 10 : 1)
      order.push(event.type)
    },
    end: () => void order.push('end'),
  }
  const { all } = reporters({ slow })
  for (const event of [start, notice('x'), progress(1)]) all.take(event)
  expect(order).toEqual([])
  await all.end(end)
  expect(order).toEqual(['start', 'notice', 'progress', 'end'])
})

test.each<[string, Reporter]>([
  ['throws at the start', { start: () => boom(), event: never }],
  ['rejects at the start', { start: () => Promise.reject(new Error('boom')), event: never }],
  ['throws at an event', { event: () => boom(), end: never }],
  ['rejects at an event', { event: () => Promise.reject(new Error('boom')), end: never }],
  ['throws at the end', { event: () => undefined, end: () => boom() }],
])('one that %s is told nothing more, with one warning, and the others are', async (_, bad) => {
  const seen = witness()
  const { all, warnings } = reporters({ bad, seen })
  for (const event of [start, progress(1), progress(2)]) all.take(event)
  await all.end(end)
  expect(warnings).toEqual(['boom. It is told nothing more of this run, which goes on without it.'])
  expect(seen.told).toHaveLength(4)
})

it('leaves progress out where a reporter is slower than the run, says how much, and keeps everything else', async () => {
  const told: ReportedEvent[] = []
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  const slow: Reporter = {
    start: () => gate,
    event: (event) => void told.push(event),
  }
  const { all, warnings } = reporters({ slow }, { mostWaiting: 3 })
  for (const event of [start, progress(1), progress(2), progress(3), progress(4), notice('kept')]) all.take(event)
  open()
  await all.end(end)
  expect(told).toEqual([progress(1), progress(2), notice('kept')])
  expect(warnings).toEqual(['The reporter "slow" is slower than the run: 2 events of progress were not told to it.'])
})

it('waits for the end for a while, and then says what is lost', async () => {
  const hanging: Reporter = { event: () => undefined, end: () => new Promise(() => undefined) }
  const { all, warnings } = reporters({ hanging }, { endMs: 50 })
  all.take(start)
  await all.end(end)
  expect(warnings).toEqual(['The reporter "hanging" had not finished 0.1 s after the end of the run; what it had still to do is lost.'])
})

it('keeps what the run holds from being changed', async () => {
  const event = progress(1)
  const changing: Reporter = { event: (told) => void ((told as { done: number }).done = 7) }
  const { all, warnings } = reporters({ changing })
  all.take(start)
  all.take(event)
  await all.end(end)
  expect(event).toEqual(progress(1))
  expect(Object.isFrozen(event)).toBe(false)
  expect(warnings).toHaveLength(1)
})

it('tells no end where there was no start', async () => {
  const seen = witness()
  const { all } = reporters({ seen })
  all.take(notice('refused'))
  await all.end({ ...end, outcome: 'failed' })
  expect(seen.told).toEqual([])
})

function boom(): never {
  throw new Error('boom')
}

function never(): void {
  throw new Error('told all the same')
}
