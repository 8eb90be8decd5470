import { PlumbError, runConfig } from '../../src'
import { inSlices } from '../../src/stages/slices'
import { filesBelow, question, world, type World, type WorldOptions } from '../support/world'

const small = {
  config: {
    sft: { steps: 3, batchSize: 4, learningRate: 0.05 },
    align: [{ name: 'stay', steps: 2, batchSize: 3, learningRate: 0.05, losses: [{ loss: 'sft' }, { loss: 'stay' }] }],
    sample: { k: 2, maxNewTokens: 4 },
    evaluate: { maxNewTokens: 4 },
  },
}

/** Counts the texts that are tokenised. */
async function counting(options: WorldOptions): Promise<{ made: World; rendered: () => number }> {
  let rendered = 0
  const made = await world({ ...options, onEncode: () => rendered++ })
  return { made, rendered: () => rendered }
}

describe('a model that is opened for training', () => {
  it('ends with the same bytes whether the backend knows its tokenizer before or not', async () => {
    const [knows, learns] = [await world(small), await world({ ...small, inspects: false })]
    await runConfig(knows)
    await runConfig(learns)
    const [expected, found] = [await filesBelow(knows.config.run), await filesBelow(learns.config.run)]
    expect(Object.keys(found)).toEqual(Object.keys(expected))
    for (const [name, bytes] of Object.entries(expected)) expect([name, found[name]!.equals(bytes)]).toEqual([name, true])
  })

  it('is opened while the data is tokenised', async () => {
    const { made, rendered } = await counting(small)
    const open = made.backend.open.bind(made.backend)
    let before = 0
    made.backend.open = async (model) => {
      // Were tokenising to wait for the model, this would not end.
      while (rendered() === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      before = rendered()
      return open(model)
    }
    await runConfig({ ...made, last: 'sft' })
    expect(before).toBeGreaterThan(0)
  })

  it('is what is reported where it cannot be opened, and nothing is tokenised after that', async () => {
    const train = Array.from({ length: 3000 }, (_, n) => question(`train-${n}`, n % 8))
    const { made, rendered } = await counting({ ...small, train })
    made.backend.open = async () => {
      throw new PlumbError('PLUMB_MODEL_WEIGHTS', 'The weights are not there.')
    }
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_MODEL_WEIGHTS' })
    const soFar = rendered()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(rendered()).toBe(soFar)
  })

  it('is said to be used otherwise than its files ask', async () => {
    const sentence = 'config.json asks for dropout, which is not applied.'
    const noticesOf = async (options: WorldOptions) => {
      const made = await world(options)
      const inspect = made.backend.inspect!.bind(made.backend)
      made.backend.inspect = async (model) => ({ ...(await inspect(model)), notices: [sentence] })
      const said: string[] = []
      const report = await runConfig({
        ...made,
        onEvent: (event) => {
          if (event.type === 'notice') said.push(event.message)
        },
      })
      return { report: report.notices.filter((notice) => notice === sentence), said: said.filter((notice) => notice === sentence) }
    }
    expect(await noticesOf(small)).toEqual({ report: [sentence], said: [sentence] })
  })

  it('gets ready once, before its first step and before a state is loaded', async () => {
    const calls: string[] = []
    const made = await world({ ...small, onCall: (what) => calls.push(what) })
    const open = made.backend.open.bind(made.backend)
    made.backend.open = async (model) => {
      const policy = await open(model)
      policy.prepareTraining = async () => void calls.push('prepareTraining')
      return policy
    }
    await runConfig({ ...made, last: 'align' })
    const trained = calls.filter((what) => what === 'prepareTraining' || what === 'forwardBackward')
    expect(trained).toEqual([...['prepareTraining', ...Array<string>(3).fill('forwardBackward')], ...['prepareTraining', ...Array<string>(2).fill('forwardBackward')]]) // prettier-ignore
  })
})

describe('inSlices', () => {
  it('works through everything in order', async () => {
    expect(await inSlices([3, 1, 2], (n) => n * 2, undefined)).toEqual([6, 2, 4])
  })

  it('lets an abort through', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough')), 5)
    let done = 0
    const busy = () => {
      done++
      const until = performance.now() + 2
      while (performance.now() < until);
    }
    await expect(inSlices(Array<number>(500).fill(0), busy, controller.signal)).rejects.toThrow('enough')
    expect(done).toBeLessThan(500)
  })
})
