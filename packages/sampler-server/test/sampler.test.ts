import type { Policy, Sampling } from '@plumbline/core'
import { isPlumbError } from '@plumbline/core'
import { testSampler } from '@plumbline/conformance'
import { WORDS } from '../../core/test/support/world'
import { collected, Fakes, openModel, requestOf, SAMPLING, samplerOf, type Fake, type Json } from './support/served'

const fakes = new Fakes()
let model: string
let policy: Policy
let plain: Fake
beforeAll(async () => {
  model = await fakes.model()
  policy = await openModel(model)
  plain = await fakes.serve(model)
})
afterAll(() => fakes.dispose())

const asked = () => ['q1', 'q2', 'q3'].map((word) => requestOf(policy, word, word, [0, 1, 2]))
const choice = (answer: Json): Json => (answer.choices as Json[])[0]!
const withChoice = (answer: Json, change: Json): Json => ({ ...answer, choices: [{ ...choice(answer), ...change }] })

async function rejection(work: Promise<unknown>): Promise<{ code: string; message: string; where?: string }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPlumbError(error)) throw error instanceof Error ? error : new Error('Nothing was rejected')
  return error
}

for (const options of [{ requests: 'candidate' }, { requests: 'question' }, { server: 'llama.cpp' }, { server: 'sglang' }] as const) {
  testSampler({
    name: `openai ${JSON.stringify(options)}`,
    factory: () => samplerOf(plain, options),
    policy: () => openModel(model),
    prompts: ['q1 s2', 'q4', 'q6 s0 a3'],
  })
}

describe('a request', () => {
  it('holds the prompt as ids, everything that decides the draw, and a seed of its own; what is left out a server would take from the model’s files', async () => {
    const server = await fakes.serve(model)
    const sampling: Sampling = { ...SAMPLING, temperature: 0.7, topP: 0.9, topK: 4, stop: ['a9'], endTokens: [5] }
    await collected(
      samplerOf(server, { apiKey: 'hush', sameWeights: false, model: 'bigram' }).sample([requestOf(policy, 'x', 'q1', [0, 2])], {
        policy,
        sampling,
      }),
    )
    const [, ...bodies] = server.requests // the first is the check of the tokenizer
    expect(bodies).toHaveLength(2)
    expect(bodies[0]).toEqual({
      model: 'bigram',
      prompt: [0, 4],
      n: 1,
      seed: expect.any(Number),
      max_tokens: 6,
      temperature: 0.7,
      top_p: 0.9,
      top_k: 4,
      min_p: 0,
      presence_penalty: 0,
      frequency_penalty: 0,
      repetition_penalty: 1,
      stop: ['a9'],
      stop_token_ids: [1, 5],
      skip_special_tokens: true,
      return_token_ids: true,
      stream: false,
    })
    expect(bodies[1]!.seed).not.toBe(bodies[0]!.seed)
    expect(server.headers.every(({ authorization }) => authorization === 'Bearer hush')).toBe(true)
  })

  it('for all candidates of a question is one, and gives the missing ones of a question what they would have been', async () => {
    const server = await fakes.serve(model)
    const sampler = samplerOf(server, { requests: 'question', sameWeights: false, model: 'bigram' })
    const whole = await collected(sampler.sample([requestOf(policy, 'x', 'q1', [0, 1, 2, 3])], { policy, sampling: SAMPLING }))
    expect(server.requests.map(({ n }) => n)).toEqual([1, 4])
    const rest = await collected(sampler.sample([requestOf(policy, 'x', 'q1', [1, 3])], { policy, sampling: SAMPLING }))
    expect([...rest.keys()]).toEqual(['x/1', 'x/3'])
    for (const [key, generation] of rest) expect(generation).toEqual(whole.get(key))
  })

  it('is one of at most `concurrency` at the same time', async () => {
    const server = await fakes.serve(model, { hold: 5 })
    await collected(samplerOf(server, { concurrency: 3 }).sample(asked(), { policy, sampling: SAMPLING }))
    expect(server.most()).toBe(3)
  })

  it('that gets 429, 503 or a broken connection is sent again, with the same seed', async () => {
    const expected = await collected(samplerOf(plain).sample(asked(), { policy, sampling: SAMPLING }))
    const failing: Json[] = [{ status: 429, headers: { 'retry-after': '0' } }, { status: 503 }, { destroy: true }]
    const seen = new Set<string>()
    const server = await fakes.serve(model, {
      meddle: (answer, body, count) => {
        const isNew = seen.size < seen.add(JSON.stringify(body)).size
        return isNew ? failing[count % 3]! : answer
      },
    })
    const found = await collected(samplerOf(server).sample(asked(), { policy, sampling: SAMPLING }))
    expect([...found].sort()).toEqual([...expected].sort())
    // Three are the check; each came twice.
    expect(server.requests.length).toBe(24)
    expect(new Set(server.requests.map((body) => JSON.stringify(body))).size).toBe(12)
  })
})

describe('what is yielded', () => {
  it('ends where the engines’ rules say so, whatever the server did behind that', async () => {
    const sampling: Sampling = { ...SAMPLING, maxNewTokens: 40, stop: ['a1'], endTokens: [policy.tokenizer.encode('s5')[0]!] }
    const ask = (meddle?: (answer: Json) => Json) =>
      fakes.serve(model, { meddle }).then((server) => collected(samplerOf(server).sample(asked(), { policy, sampling })))
    const stopped = await ask()
    // A server that knows nothing of these ends, and draws on.
    const deaf = await fakes.serve(model, {})
    const sampler = samplerOf(deaf, { server: 'llama.cpp' })
    const through = await collected(sampler.sample(asked(), { policy, sampling: { ...sampling, stop: [] } }))
    const finishes = new Set([...stopped.values(), ...through.values()].map(({ finish }) => finish))
    expect([...finishes].sort()).toEqual(expect.arrayContaining(['eos', 'stop']))
    for (const { tokens, text, finish } of stopped.values()) {
      expect(text).not.toContain('a1')
      if (finish === 'stop') expect(policy.tokenizer.decode(tokens)).toMatch(/a1$/)
      if (finish === 'eos') expect(sampling.endTokens!.concat(policy.tokenizer.eosId!)).toContain(tokens.at(-1))
    }
    for (const { tokens } of through.values()) expect(tokens.slice(0, -1)).not.toContain(sampling.endTokens![0])
  })

  it('is drawn from the distribution that the temperature makes of the model’s', async () => {
    const prompt = requestOf(
      policy,
      'x',
      'q1',
      Array.from({ length: 400 }, (_, c) => c),
    )
    const found = await collected(samplerOf(plain).sample([prompt], { policy, sampling: { ...SAMPLING, temperature: 2, maxNewTokens: 1 } }))
    const counts = new Map<number, number>()
    for (const { tokens } of found.values()) counts.set(tokens[0]!, (counts.get(tokens[0]!) ?? 0) + 1)
    const [scored] = await policy.logProbs([
      { id: 'x', prompt: prompt.promptTokens, completions: Array.from({ length: WORDS.length + 3 }, (_, t) => [t]) },
    ])
    const weights = scored!.map((values) => Math.exp(values![0]! / 2))
    const total = weights.reduce((sum, value) => sum + value, 0)
    const likeliest = weights.indexOf(Math.max(...weights))
    const expected = weights[likeliest]! / total
    // Four standard deviations.
    expect(Math.abs((counts.get(likeliest) ?? 0) / 400 - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / 400))
  })

  it('comes as it ends, also where a later request fails: nothing that was drawn is lost', async () => {
    const server = await fakes.serve(model, {
      meddle: (answer, _, count) => (count < 6 ? answer : { status: 400, body: { error: { message: 'no more' } } }),
    })
    const got: string[] = []
    const error = await rejection(
      (async () => {
        for await (const { id, candidate } of samplerOf(server, { concurrency: 1 }).sample(asked(), { policy, sampling: SAMPLING }))
          got.push(`${id}/${candidate}`)
      })(),
    )
    expect(error).toMatchObject({ code: 'PLUMB_SERVER_FAILED', message: 'The server answers with 400: no more' })
    expect(got).toEqual(['q1/0', 'q1/1', 'q1/2']) // three requests were the check
  })
})

describe('refused in one sentence', () => {
  const refused: [string, Json, Parameters<Fakes['serve']>[1], string, RegExp][] = [
    ['text without ids', {}, { meddle: (a) => withChoice(a, { token_ids: undefined }) }, 'PLUMB_SERVER_NO_IDS', /gives text and no token ids/],
    ['llama.cpp that leaves them empty', { server: 'llama.cpp' }, { meddle: (a) => ({ ...a, tokens: [] }) }, 'PLUMB_SERVER_NO_IDS', /asked by return_tokens/],
    ['ids that are not the text’s', {}, { meddle: (a) => withChoice(a, { token_ids: [9, 8, 7, 6, 5, 4] }) }, 'PLUMB_SERVER_TOKENIZER', /its text ".+" stands beside ids that say ".+"/],
    ['ids outside of the vocabulary', {}, { meddle: (a) => withChoice(a, { token_ids: [9999] }) }, 'PLUMB_SERVER_TOKENIZER', /gives the id 9999, and the vocabulary has 33/],
    ['a prompt with another token', {}, { meddle: (a) => withChoice(a, { prompt_token_ids: [0, 0, 4] }) }, 'PLUMB_SERVER_TOKENIZER', /token 1 of the prompt came back as 0, and is 4/],
    ['a longer prompt', {}, { meddle: (a) => withChoice(a, { prompt_token_ids: [0, 4, 4] }) }, 'PLUMB_SERVER_TOKENIZER', /came back with 3 tokens, and has 2/],
    ['an end that is left out', { sameWeights: false, model: 'bigram' }, { meddle: (a) => withChoice(a, { token_ids: [9], text: 'q6', finish_reason: 'stop' }) }, 'PLUMB_SERVER_ANSWER', /its last is token 9 \("q6"\), which ends nothing here/],
    ['an end of its own', { sameWeights: false, model: 'bigram' }, { meddle: (a) => withChoice(a, { token_ids: [9], text: 'q6', finish_reason: 'abort' }) }, 'PLUMB_SERVER_ANSWER', /ended by "abort"/],
    ['too few choices', {}, { meddle: () => ({ choices: [] }) }, 'PLUMB_SERVER_ANSWER', /holds 0 choices, and 1 were asked for/],
    ['no JSON', {}, { meddle: () => ({ status: 200, body: '<html>' }) }, 'PLUMB_SERVER_ANSWER', /it is no JSON \(<html>\)/],
    ['a model that is not served', { model: 'large' }, {}, 'PLUMB_SERVER_MODEL', /has no model "large"; it has bigram/],
    ['several models, and none named', {}, { models: [{ id: 'a' }, { id: 'b' }] }, 'PLUMB_SERVER_MODEL', /has 2 models \(a, b\); say which by model/],
    ['no model', {}, { models: [] }, 'PLUMB_SERVER_MODEL', /names no model/],
    ['a context that is too short', {}, { models: [{ id: 'bigram', max_model_len: 7 }] }, 'PLUMB_SERVER_MODEL', /takes 7 tokens, and a prompt with sample.maxNewTokens has 8/],
    ['no log-probabilities', {}, { meddle: (a) => withChoice(a, { logprobs: null }) }, 'PLUMB_SERVER_MODEL', /gives no log-probabilities/],
    ['a key that is wrong, which no message shows', { apiKey: 'hush' }, { meddle: () => ({ status: 401, body: { error: { message: 'bad key hush' } } }) }, 'PLUMB_SERVER_FAILED', /answers with 401 \(apiKey is what is sent as the key\): bad key \(secret\)$/],
    ['what stays busy', { retries: 2 }, { meddle: () => ({ status: 503, body: 'busy' }) }, 'PLUMB_SERVER_FAILED', /answers with 503, 3 times: busy/],
    ['what breaks off again and again', { retries: 1 }, { meddle: () => ({ destroy: true }) }, 'PLUMB_SERVER_UNREACHABLE', /gives no answer, 2 times: it broke off in the middle/],
    ['what takes too long', { retries: 0, timeout: 0.05 }, { hold: 300 }, 'PLUMB_SERVER_UNREACHABLE', /gives no answer: it took more than 0.05 seconds/],
  ] // prettier-ignore

  it.each(refused)('%s', async (_, options, serving, code, message) => {
    const server = await fakes.serve(model, serving)
    const error = await rejection(collected(samplerOf(server, options).sample(asked(), { policy, sampling: SAMPLING })))
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(error.message).not.toContain('hush')
    expect(error.where).toContain(new URL(server.url).host)
  })

  it('nobody who listens', async () => {
    const error = await rejection(
      collected(samplerOf({ url: 'http://127.0.0.1:9/v1' }, { retries: 0 }).sample(asked(), { policy, sampling: SAMPLING })),
    )
    expect(error).toMatchObject({ code: 'PLUMB_SERVER_UNREACHABLE', message: 'The server gives no answer: nobody listens there.' })
  })

  it('another model than the stage’s, unless that is asked for by its name', async () => {
    const server = await fakes.serve(await fakes.model(2))
    const error = await rejection(collected(samplerOf(server).sample(asked(), { policy, sampling: SAMPLING })))
    expect(error).toMatchObject({
      code: 'PLUMB_SERVER_MODEL',
      message: expect.stringMatching(
        /^The server's model "bigram" is not the stage-1 model: over \d+ tokens its log-probabilities are \d\.\d{3} nats/,
      ),
    })
    const found = await collected(
      samplerOf(server, { sameWeights: false, model: 'bigram' }).sample(asked(), { policy, sampling: SAMPLING }),
    )
    expect(found.size).toBe(9)
  })
})
