import type { Sampling } from '@plumbline/core'
import { Completion, CompletionRules, cutAtStop, StopWatcher } from '../../src/decoding'

/** Token ids are UTF-8 bytes; 0 is a special token that decodes to nothing. */
const bytes = {
  decode: (ids: readonly number[]) => new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id > 0))),
}
const VOCABULARY = 256
const limits = { vocabularySize: VOCABULARY, contextLength: 64, endTokens: [0] }
const sampling: Sampling = { seed: 1, temperature: 1, maxNewTokens: 20 }

/** Logits under which `id` is the only possible token. */
function only(id: number): Float32Array {
  const row = new Float32Array(VOCABULARY).fill(-Infinity)
  row[id] = 0
  return row
}

/** Feeds the bytes of a text until the completion ends. */
function feed(text: string, options: Partial<Sampling> = {}, promptLength = 4) {
  const completion = new Completion(new CompletionRules({ ...sampling, ...options }, limits, bytes), 'q', 0, promptLength)
  for (const byte of new TextEncoder().encode(text)) {
    const done = completion.next(only(byte))
    if (done) return done
  }
  return undefined
}

describe('Completion', () => {
  it('ends at the end token, which stays among the tokens and not in the text', () => {
    expect(feed('ab\0cd')).toEqual({ id: 'q', candidate: 0, tokens: [97, 98, 0], text: 'ab', finish: 'eos' })
  })

  it('ends at the end tokens of the run as well, special tokens or not', () => {
    expect(feed('ab#cd', { endTokens: [35] })).toEqual({ id: 'q', candidate: 0, tokens: [97, 98, 35], text: 'ab', finish: 'eos' })
    expect(feed('ab\0cd', { endTokens: [35] })).toMatchObject({ text: 'ab', finish: 'eos' })
  })

  it('ends at the length limit and at the end of the context', () => {
    expect(feed('abcdefgh', { maxNewTokens: 3 })).toMatchObject({ text: 'abc', finish: 'length' })
    expect(feed('abcdefgh', {}, 62)).toMatchObject({ text: 'ab', finish: 'length' })
    expect(feed('abcdefgh')).toBeUndefined()
  })

  it('ends once a stop string is there, and cuts the text before it', () => {
    expect(feed('x = 1\n\nQ: next', { stop: ['\nQ', '\n\n'] })).toEqual({
      id: 'q', candidate: 0, tokens: [...Buffer.from('x = 1\n\n')], text: 'x = 1', finish: 'stop',
    }) // prettier-ignore
  })

  it('does not draw at temperature 0 and gives the same tokens for any seed', () => {
    const row = Float32Array.from({ length: VOCABULARY }, (_, id) => Math.sin(id * 1.7))
    const run = (seed: number) => {
      const completion = new Completion(new CompletionRules({ ...sampling, seed, temperature: 0 }, limits, bytes), 'q', 0, 4)
      return completion.next(row) ?? completion.tokens
    }
    expect(run(1)).toEqual(run(2))
  })

  it('may have its tokens chosen elsewhere, by the numbers that it would draw itself', () => {
    const row = Float32Array.from({ length: VOCABULARY }, (_, id) => (id === 0 ? -Infinity : 0)) // 255 equally likely tokens
    const rules = new CompletionRules({ ...sampling, maxNewTokens: 5 }, limits, bytes)
    const [own, elsewhere] = [new Completion(rules, 'q', 0, 4), new Completion(rules, 'q', 0, 4)]
    for (let i = 0; i < 5; i++) expect(elsewhere.take(1 + Math.floor(255 * elsewhere.draw()))).toEqual(own.next(row))
    expect(elsewhere.tokens).toHaveLength(5)
    expect(elsewhere.nonFiniteLogits()).toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS', where: 'prompt q, candidate 0, token 5' })
    const greedy = new Completion(new CompletionRules({ ...sampling, temperature: 0 }, limits, bytes), 'q', 0, 4)
    expect(greedy.draw()).toBe(0)
  })

  it('draws from a stream of its own per seed, prompt and candidate, whatever else is drawn between', () => {
    const row = new Float32Array(VOCABULARY)
    row[0] = -Infinity
    const tokensOf = (completions: Completion[]) => {
      for (let i = 0; i < 12; i++) for (const completion of completions) completion.next(row)
      return completions.map((completion) => completion.tokens.join())
    }
    const make = (rules: CompletionRules, id: string, candidate: number) => new Completion(rules, id, candidate, 4)
    const rules = new CompletionRules(sampling, limits, bytes)
    const alone = tokensOf([make(rules, 'a', 1)])
    const together = tokensOf([make(rules, 'b', 1), make(rules, 'a', 0), make(rules, 'a', 1), make(rules, 'a1', 1)])
    expect(together[2]).toBe(alone[0])
    expect(new Set(together).size).toBe(4)
    expect(tokensOf([make(new CompletionRules({ ...sampling, seed: 2 }, limits, bytes), 'a', 1)])).not.toEqual(alone)
  })

  it('names the prompt when logits are not finite', () => {
    const completion = new Completion(new CompletionRules(sampling, limits, bytes), 'q7', 3, 4)
    expect(() => completion.next(new Float32Array(VOCABULARY).fill(Number.NaN))).toThrow(
      expect.objectContaining({ code: 'PLUMB_NON_FINITE_LOGITS', where: 'prompt q7, candidate 3, token 0' }),
    )
  })
})

describe('StopWatcher', () => {
  const push = (text: string, stops: string[]) => {
    const watcher = new StopWatcher(bytes, stops)
    return [...new TextEncoder().encode(text)].findIndex((byte) => watcher.push(byte))
  }

  it('finds a stop string across tokens, at the token that completes it', () => {
    expect(push('so #### 12', ['####'])).toBe(6)
    expect(push('aab', ['ab'])).toBe(2)
    expect(push('abcd', ['x'])).toBe(-1)
    expect(push('abcd', [])).toBe(-1)
  })

  it('finds stop strings of characters that take several tokens', () => {
    expect(push('là → fin', ['→'])).toBe(6) // l, à (2 bytes), space, → (3 bytes)
    expect(push('→→', ['→→'])).toBe(5)
  })

  it('agrees with a search of the whole text where a token’s text depends on its neighbours', () => {
    // Words with a leading space, which is dropped at the beginning of a text: the decoders of SentencePiece do this.
    const words = { decode: (ids: readonly number[]) => ids.map((id) => ` w${id}`).join('').slice(1) } // prettier-ignore
    const watcher = new StopWatcher(words, ['2 w3'])
    expect([1, 2, 3].map((id) => watcher.push(id))).toEqual([false, false, true])
  })
})

describe('cutAtStop', () => {
  it('cuts at the earliest stop string', () => {
    expect(cutAtStop('a. b; c', [';', '.'])).toEqual({ text: 'a', stopped: true })
    expect(cutAtStop('abc', ['x'])).toEqual({ text: 'abc', stopped: false })
  })
})
