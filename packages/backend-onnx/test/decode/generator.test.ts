/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStreams, type Generation, type GenerationPrompt, type Sampling } from '@plumbline/core'
import { loadModel, type ModelConfig } from '@plumbline/transformer'
import { Generator, type GeneratorOptions, type RunOptions } from '../../src/decode/generator'
import type { HeldWeights } from '../../src/runtime/held-tensor'
import { roundedWeights } from '../support/half-folders'
import { randomWeights, referenceLogits, tinyConfig } from './reference-llama'

const sampling: Sampling = { seed: 5, temperature: 1, maxNewTokens: 12 }
const tokenizer = { decode: (ids: readonly number[]) => ids.map((id) => `<${id}>`).join('') }
const opened: Generator[] = []

async function make(config: ModelConfig, options: Partial<GeneratorOptions> = {}, endTokens: readonly number[] = []) {
  const weights = randomWeights(config, randomStreams(1)('weights'))
  const generator = await Generator.create({ config, weights, tokenizer, endTokens }, { threads: 1, rows: 6, ...options })
  opened.push(generator)
  return { generator, weights }
}

/** Prompts of these lengths with these numbers of candidates, tokens drawn from a stream of their own. */
function prompts(lengths: readonly number[], candidates: readonly number[]): GenerationPrompt[] {
  return lengths.map((length, i) => {
    const uniform = randomStreams(2)('prompt', i)
    return {
      id: `q${i}`,
      prompt: Array.from({ length }, () => Math.floor(61 * uniform())),
      candidates: Array.from({ length: candidates[i % candidates.length]! }, (_, c) => c),
    }
  })
}

/** Runs to the end; completions by "id/candidate", sorted. */
async function run(
  generator: Generator,
  requests: readonly GenerationPrompt[],
  options: Partial<Sampling> = {},
  hooks: Partial<RunOptions> = {},
) {
  const found: Generation[] = []
  const report = await generator.run(requests, { ...sampling, ...options }, { onGeneration: (one) => found.push(one), ...hooks })
  const key = ({ id, candidate }: Generation) => `${id}/${candidate}`
  found.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return { found, report, byKey: new Map(found.map((one) => [key(one), one])) }
}

afterAll(async () => {
  for (const generator of opened) await generator.dispose()
})

describe('Generator', () => {
  it.each([
    ['grouped queries', tinyConfig()],
    ['one key head', tinyConfig({ num_key_value_heads: 1 })],
    ['as many key heads as query heads, untied head', tinyConfig({ num_key_value_heads: 4, tie_word_embeddings: false })],
    ['one layer', tinyConfig({ num_hidden_layers: 1 })],
  ])('has the logits of the whole forward pass at every position: %s', async (_, config) => {
    const { generator, weights } = await make(config)
    // Lengths on both sides of the padding's multiple of 16; 1 to 16 candidates; completions past one block of 32 cached tokens.
    const requests = prompts([1, 15, 16, 17, 33, 5], [1, 2, 16, 3, 1, 7])
    const promptOf = new Map(requests.map(({ id, prompt }) => [id, prompt]))
    let worst = 0
    let seen = 0
    const onLogits: RunOptions['onLogits'] = ({ id, tokens }, logits) => {
      // The reference computes the whole sequence again for each token: a sample of the positions is enough.
      if (seen++ % 41 !== 0) return
      const expected = referenceLogits(config, weights, [...promptOf.get(id)!, ...tokens])
      const largest = Math.max(...expected.map(Math.abs))
      for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(logits[i]! - expected[i]!) / largest)
    }
    const { found } = await run(generator, requests, { maxNewTokens: 37 }, { onLogits })
    expect(found.length).toBe(30)
    expect(seen).toBe(30 * 37)
    expect(worst).toBeLessThan(1e-5)
  })

  it.each([
    ['in the graph', true],
    ['fed', false],
  ])('samples a question alone as it does among 20 others, bit for bit: weights %s', async (_, storeWeights) => {
    // End tokens make completions end at different steps, so that rows and prompts change places.
    const { generator } = await make(tinyConfig(), { storeWeights }, [5, 40])
    const requests = prompts([9, 30, 17, 3, 47, 16, 20, 8, 12, 40, 1, 22, 31, 32, 33, 5, 6, 70, 64, 13, 18], [4, 6, 1, 3])
    const logitsOf = async (some: readonly GenerationPrompt[]) => {
      const sums = new Map<string, number[]>()
      const onLogits: RunOptions['onLogits'] = ({ id, candidate }, logits) => {
        const key = `${id}/${candidate}`
        if (!sums.has(key)) sums.set(key, [])
        sums.get(key)!.push(logits.reduce((a, b) => a + b, 0))
      }
      return { ...(await run(generator, some, { maxNewTokens: 40 }, { onLogits })), sums }
    }
    const together = await logitsOf(requests)
    expect(together.report.rowSteps).toBeLessThan(6 * together.report.steps + 1)
    for (const index of [0, 2, 4, 10, 17]) {
      const alone = await logitsOf([requests[index]!])
      for (const [key, one] of alone.byKey) {
        expect(one).toEqual(together.byKey.get(key))
        expect(alone.sums.get(key)).toEqual(together.sums.get(key))
      }
      const [single] = requests[index]!.candidates.slice(-1)
      const { byKey } = await logitsOf([{ ...requests[index]!, candidates: [single!] }])
      expect([...byKey.values()]).toEqual([together.byKey.get(`${requests[index]!.id}/${single}`)])
    }
  })

  it.each([2, 4])(
    'samples a question alone as among others where products are large enough to be shared by %i threads',
    async (threads) => {
      // The key heads are narrower than prompts are long, and the sums longer than one block of the runtime's.
      const config = tinyConfig({
        hidden_size: 320,
        num_attention_heads: 6,
        num_key_value_heads: 2,
        head_dim: 64,
        intermediate_size: 384,
        num_hidden_layers: 1,
        max_position_embeddings: 512,
      })
      const { generator } = await make(config, { threads, rows: 24 })
      const requests = prompts([16, 64, 64, 16, 120, 16, 64, 16, 16, 16, 16, 300, 310], [2, 1])
      const logitsOf = async (some: readonly GenerationPrompt[]) => {
        const rows = new Map<string, number[]>()
        await run(generator, some, { maxNewTokens: 6 }, {
        onLogits: ({ id, candidate }, logits) => rows.set(`${id}/${candidate}`, [...(rows.get(`${id}/${candidate}`) ?? []), ...logits]),
      }) // prettier-ignore
        return rows
      }
      const together = await logitsOf(requests)
      for (const index of [0, 1, 4, 11]) {
        for (const [key, alone] of await logitsOf([requests[index]!])) expect([key, alone]).toEqual([key, together.get(key)])
      }
    },
  )

  it('does not depend on the number of rows or where the weights are', async () => {
    const requests = prompts([9, 30, 17, 3], [5, 2])
    const results = []
    for (const options of [{}, { rows: 3 }, { rows: 16 }, { storeWeights: false }, { threads: 2 }]) {
      results.push((await run((await make(tinyConfig(), options)).generator, requests)).found)
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  it('gives the logits of float32 bit for bit where weights have 16 bits', async () => {
    // A vocabulary that the head is widened in two parts for.
    const config = tinyConfig({ vocab_size: 33_001 })
    const [halves, floats] = roundedWeights(randomWeights(config, randomStreams(1)('weights')), 'bfloat16')
    const logitsOf = async (weights: HeldWeights, storeWeights: boolean) => {
      const generator = await Generator.create({ config, weights, tokenizer, endTokens: [] }, { threads: 2, rows: 6, storeWeights })
      const logits: Buffer[] = []
      const onLogits = (_: unknown, row: Float32Array) => void logits.push(Buffer.from(row.slice().buffer))
      const { found } = await run(generator, prompts([5], [2]), { maxNewTokens: 3 }, { onLogits })
      await generator.dispose()
      return { found, logits }
    }
    const fed = await logitsOf(floats, false)
    expect(fed.logits).toHaveLength(6)
    for (const [weights, isStored] of [
      [halves, false],
      [halves, true],
    ] as const) {
      const reference = isStored ? await logitsOf(floats, true) : fed
      const { found, logits } = await logitsOf(weights, isStored)
      expect(found).toEqual(reference.found)
      for (const [i, row] of logits.entries()) expect(row.equals(reference.logits[i]!)).toBe(true)
    }
  })

  it('does not depend on the runs before, whose memory it uses again', async () => {
    const { generator, weights } = await make(tinyConfig(), { storeWeights: false }, [5, 40])
    const requests = prompts([30, 9, 17, 3], [5, 2])
    const first = await run(generator, requests, { maxNewTokens: 40 })
    await run(generator, prompts([70, 2, 44], [7, 1]), { maxNewTokens: 20 })
    expect((await run(generator, requests, { maxNewTokens: 40 })).found).toEqual(first.found)
    // A run with a broken model leaves NaN in its caches, where a mask could not hide it.
    const value = weights.get('model.layers.0.self_attn.v_proj.weight')!.data as Float32Array
    const whole = value.slice()
    const breakLater: Partial<RunOptions> = { checkAborted: () => void value.fill(Number.NaN) }
    await expect(run(generator, requests, {}, breakLater)).rejects.toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS' })
    value.set(whole)
    expect((await run(generator, requests, { maxNewTokens: 40 })).found).toEqual(first.found)
  })

  it('keeps every row busy while something waits', async () => {
    const { generator } = await make(tinyConfig())
    const { report } = await run(generator, prompts([4, 4, 4, 4, 4, 4], [1]), { maxNewTokens: 11 })
    expect(report).toEqual({ steps: 10, rowSteps: 60, promptTokens: 24 })
  })

  it('computes a prompt once for all of its candidates', async () => {
    const { generator } = await make(tinyConfig())
    expect((await run(generator, prompts([10, 21], [16]))).report.promptTokens).toBe(31)
  })

  it('ends at an end token, at the length limit and at the end of the context', async () => {
    const { generator } = await make(tinyConfig({ max_position_embeddings: 24 }), {}, [3, 7])
    const { found } = await run(generator, prompts([4, 20, 23], [16]), { maxNewTokens: 15 })
    expect(found.length).toBe(48)
    for (const { id, tokens, finish } of found) {
      const limit = id === 'q0' ? 15 : id === 'q1' ? 4 : 1
      const end = tokens.findIndex((token) => token === 3 || token === 7)
      expect(finish).toBe(end >= 0 ? 'eos' : 'length')
      expect(tokens.length).toBe(end >= 0 ? end + 1 : limit)
    }
    expect(new Set(found.map(({ finish }) => finish))).toEqual(new Set(['eos', 'length']))
  })

  it('ends at a stop string and frees the row', async () => {
    const { generator } = await make(tinyConfig())
    const { found } = await run(generator, prompts([4, 6], [16]), { maxNewTokens: 30, stop: ['<1', '<2>'] })
    const stopped = found.filter(({ finish }) => finish === 'stop')
    expect(stopped.length).toBeGreaterThan(16)
    for (const { tokens, text } of stopped) expect(text).toBe(tokenizer.decode(tokens.slice(0, -1)))
  })

  it('asks between steps whether to go on, and lets messages through', async () => {
    const { generator } = await make(tinyConfig())
    let steps = 0
    let messages = 0
    const timer = setInterval(() => messages++, 0)
    const reason = new Error('stopped')
    const running = run(generator, prompts([8], [6]), { maxNewTokens: 200 }, { checkAborted: () => { if (++steps > 100) throw reason } }) // prettier-ignore
    await expect(running).rejects.toBe(reason)
    clearInterval(timer)
    expect(messages).toBeGreaterThan(0)
  })

  it.each([
    ['PLUMB_EMPTY_PROMPT', []],
    ['PLUMB_CONTEXT_EXCEEDED', new Array<number>(24).fill(1)],
    ['PLUMB_TOKEN_OUT_OF_RANGE', [1, 61]],
    ['PLUMB_TOKEN_OUT_OF_RANGE', [-1]],
  ])('refuses a prompt it cannot continue: %s', async (code, prompt) => {
    const { generator } = await make(tinyConfig({ max_position_embeddings: 24 }))
    const requests = [...prompts([4], [1]), { id: 'bad', prompt, candidates: [0] }]
    await expect(run(generator, requests)).rejects.toMatchObject({ code, where: 'prompt bad' })
  })

  it('names the completion when the model breaks', async () => {
    const { generator, weights } = await make(tinyConfig(), { storeWeights: false })
    ;(weights.get('model.norm.weight')!.data as Float32Array)[3] = Number.NaN
    const broken = { code: 'PLUMB_NON_FINITE_LOGITS', where: 'prompt q0, candidate 0, token 0' }
    await expect(run(generator, prompts([4], [1]))).rejects.toMatchObject(broken)
  })

  it('does nothing for no prompts and for prompts without candidates', async () => {
    const { generator } = await make(tinyConfig())
    expect((await run(generator, [])).found).toEqual([])
    expect((await run(generator, [{ id: 'q', prompt: [1], candidates: [] }])).report).toEqual({ steps: 0, rowSteps: 0, promptTokens: 0 })
  })
})

const stories = join(process.env.PLUMBLINE_SHARED ?? join(__dirname, '../../../../../shared'), 'data/stories260K')
const withStories = existsSync(stories) ? describe : describe.skip

withStories('stories260K (needs PLUMBLINE_SHARED)', () => {
  it('gives the 200 greedy tokens of the float64 reference', async () => {
    const { config, weights, tokenizer: words } = await loadModel({ kind: 'folder', path: join(stories, 'hf') })
    const { greedyIds } = JSON.parse(readFileSync(join(stories, 'golden.json'), 'utf8')) as { greedyIds: number[] }
    const generator = await Generator.create({ config, weights, tokenizer: words, endTokens: [] }, { threads: 1 })
    opened.push(generator)
    const { found } = await run(generator, [{ id: 'story', prompt: [1], candidates: [0] }], { temperature: 0, maxNewTokens: 199 })
    expect([1, ...found[0]!.tokens]).toEqual(greedyIds)
  })
})
