import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isPlumbError, runConfig, type Generation, type StageName } from '@plumbline/core'
import { artifact, filesBelow, world, type World } from '../../core/test/support/world'
import serverPlugin from '../src'
import { Fakes, type Fake, type Json } from './support/served'

const fakes = new Fakes()
afterAll(() => fakes.dispose())

/** What the stage-1 model of a world's run is. */
async function modelOf({ config: { run } }: World): Promise<string> {
  const stage = (await readdir(run)).find((name) => name.startsWith('sft-'))!
  return join(run, stage, 'model')
}

const KEY = 'a-key-that-stands-nowhere'

/** A world that samples on a server, which reads the model that the world's first stage made. */
async function served(meddle?: (answer: Json, request: Json, count: number) => Json, options: Json = {}) {
  const place: { folder: string } = { folder: '' }
  const server = await fakes.serve(() => place.folder, { meddle })
  const here = await world({
    plugins: [serverPlugin],
    config: { sample: { sampler: { name: 'openai', url: server.url, apiKey: '${env:PLUMB_TEST_KEY}', retries: 0, ...options } } },
  })
  const run = async (last: StageName = 'evaluate'): Promise<void> => {
    await runConfig({ ...here, last: 'sft' })
    place.folder = await modelOf(here)
    await runConfig({ ...here, last })
  }
  return { here, server, run }
}

/** Requests for completions that are no checks. */
const sampling = ({ requests }: Fake) => requests.filter(({ temperature }) => temperature !== 0)

beforeAll(() => (process.env.PLUMB_TEST_KEY = KEY))
afterAll(() => delete process.env.PLUMB_TEST_KEY)

describe('a whole run that samples on a server', () => {
  let whole: Awaited<ReturnType<typeof served>>
  beforeAll(async () => {
    whole = await served()
    await whole.run()
  })

  it('goes from sft to the report, with completions of the server’s ids; the key is in no file', async () => {
    const { here, server } = whole
    const samples = await artifact<{ id: string; sampled: number; candidates: Generation[] }>(here, 'sample', 'samples.jsonl')
    expect(samples.map(({ sampled }) => sampled)).toEqual(samples.map(() => 5))
    expect(sampling(server)).toHaveLength(8 * 5)
    expect(new Set(sampling(server).map(({ seed }) => seed)).size).toBe(8 * 5)
    const files = await filesBelow(here.config.run)
    expect(Object.keys(files)).toContain('report.json')
    for (const [name, content] of Object.entries(files)) expect([name, content.includes(KEY)]).toEqual([name, false])
  })

  it('that the server breaks off in the middle of, asks only for the rest when it goes on, and ends with the same files', async () => {
    let healed = false
    // Four checks, then eleven answers.
    const broken = await served((answer, _, count) => (count >= 15 && !healed ? { status: 500 } : answer), { concurrency: 2 })
    const error: unknown = await broken.run('sample').catch((reason: unknown) => reason)
    expect(isPlumbError(error) && error.code).toBe('PLUMB_SERVER_FAILED')
    const before = sampling(broken.server).length
    healed = true
    await broken.run('sample')
    // Eleven were kept.
    expect(sampling(broken.server).length - before).toBe(8 * 5 - 11)
    const [expected, actual] = [await filesBelow(whole.here.config.run), await filesBelow(broken.here.config.run)]
    const ofStage = Object.keys(expected).filter((name) => name.startsWith('sample-'))
    expect(Object.keys(actual).filter((name) => name.startsWith('sample-'))).toEqual(ofStage)
    for (const name of ofStage) expect([name, actual[name]!.equals(expected[name]!)]).toEqual([name, true])
  })

  it('is not done again for another address, key or pace, and is for another model', async () => {
    const { here, server } = whole
    const before = server.requests.length
    const again = (options: Json) => {
      const { apiKey, ...sampler }: Json = { ...(here.config.sample.sampler as Json), ...options }
      const sample = { ...here.config.sample, sampler: { name: 'openai', ...sampler, ...(apiKey === undefined ? {} : { apiKey }) } }
      return runConfig({ ...here, last: 'sample', config: { ...here.config, sample } })
    }
    await again({ url: `${server.url}/`, concurrency: 1, retries: 9, timeout: 5, apiKey: 'other' })
    await again({ apiKey: undefined })
    expect(server.requests.length).toBe(before)
    await again({ sameWeights: false, model: 'bigram' })
    expect(server.requests.length).toBeGreaterThan(before)
  })
})
