import { isDeepStrictEqual } from 'node:util'
import type { Generation, GenerationPrompt, Policy, TokenGroup } from '@plumbline/core'
import { adam, backendCheck, generate, nextToken, sum, weightedSum } from './bench'

const NONE = 'One candidate was asked for, none came back.'

export const samplingChecks = [
  backendCheck(
    'backend/generates-each-candidate-once',
    'Each (prompt, candidate) that is asked for comes exactly once, within maxNewTokens, with ids of the vocabulary and why it ended.',
    async ({ policy, groups }) => {
      const prompts = promptsOf(groups)
      const got = await generate(policy, prompts)
      const asked = prompts.flatMap(({ id, candidates }) => candidates.map((c) => `${id}/${c}`)).sort()
      const came = got.map(({ id, candidate }) => `${id}/${candidate}`).sort()
      if (!isDeepStrictEqual(asked, came)) return `Asked for ${asked.join(', ')}, got ${came.join(', ')}.`
      const { vocabularySize } = policy.info
      for (const { tokens, finish } of got) {
        if (tokens.length > 5 || !tokens.every((t) => Number.isInteger(t) && t >= 0 && t < vocabularySize))
          return `With maxNewTokens 5 and ${vocabularySize} tokens it sampled ${tokens.join(', ')}.`
        const ended = tokens.at(-1) === policy.tokenizer.eosId
        if (finish !== (ended ? 'eos' : 'length'))
          return `It says "${finish}" of ${tokens.join(', ')}, where the end-of-sequence token is ${policy.tokenizer.eosId}.`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/sampling-does-not-depend-on-batching',
    'A candidate is determined by seed, prompt id and candidate index: not by what else is sampled, nor by order.',
    async ({ policy, groups }) => {
      const prompts = promptsOf(groups)
      const together = await generate(policy, prompts)
      const again = await generate(policy, prompts)
      const alone: Generation[] = []
      for (const prompt of [...prompts].reverse())
        for (const candidate of prompt.candidates) alone.push(...(await generate(policy, [{ ...prompt, candidates: [candidate] }])))
      for (const [others, how] of [
        [again, 'a second time'],
        [alone, 'one by one'],
      ] as const) {
        const wrong = together.find(
          ({ id, candidate, tokens }) =>
            !isDeepStrictEqual(tokens, others.find((other) => other.id === id && other.candidate === candidate)?.tokens),
        )
        if (wrong) return `Sampled ${how}, candidate ${wrong.candidate} of ${wrong.id} is not ${wrong.tokens.join(', ')} any more.`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/candidates-differ',
    'Candidates of one prompt, and the same candidate under another seed, are drawn independently.',
    async ({ policy, groups }) => {
      const prompts = [{ id: 'p', prompt: groups[0]!.prompt, candidates: [0, 1, 2, 3, 4, 5] }]
      const distinct = (generations: readonly Generation[]) => new Set(generations.map(({ tokens }) => tokens.join(' '))).size
      const first = await generate(policy, prompts, { temperature: 1.5 })
      if (distinct(first) === 1) return `Six candidates at temperature 1.5 are all ${first[0]!.tokens.join(', ')}.`
      const other = await generate(policy, prompts, { temperature: 1.5, seed: 6 })
      return isDeepStrictEqual(
        first.map(({ tokens }) => tokens),
        other.map(({ tokens }) => tokens),
      )
        ? 'Another seed gives the same six candidates.'
        : undefined
    },
  ),

  backendCheck(
    'backend/greedy-takes-the-likeliest',
    'At temperature 0 every token is the likeliest one by the policy’s own log-probabilities.',
    async ({ policy, groups }) => {
      const prompt = groups[0]!.prompt
      const [answer] = await generate(policy, [{ id: 'p', prompt, candidates: [0] }], { temperature: 0, maxNewTokens: 3 })
      if (answer === undefined) return NONE
      const { tokens } = answer
      for (const [t, token] of tokens.entries()) {
        const logProbs = await nextToken(policy, [...prompt, ...tokens.slice(0, t)])
        const best = logProbs.reduce((a, b) => Math.max(a, b))
        if (logProbs[token]! < best - 1e-4)
          return `Token ${t} is ${token}, of log-probability ${logProbs[token]}; the likeliest has ${best}.`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/samples-from-its-distribution',
    'Sampled tokens follow the policy’s own probabilities, at temperature 1 and at 0.5.',
    async ({ policy, groups }) => {
      const N = 200
      const prompt = groups[0]!.prompt
      await sharpen(policy, prompt)
      const logProbs = await nextToken(policy, prompt)
      for (const temperature of [1, 0.5]) {
        const weights = logProbs.map((l) => Math.exp((l - logProbs.reduce((a, b) => Math.max(a, b))) / temperature))
        const p = weights.map((w) => w / sum(weights))
        const expected = sum(p.map((q, v) => q * logProbs[v]!))
        const variance = sum(p.map((q, v) => q * (logProbs[v]! - expected) ** 2))
        const drawn = await generate(policy, [{ id: 'p', prompt, candidates: Array.from({ length: N }, (_, c) => c) }], {
          temperature,
          maxNewTokens: 1,
        })
        const tokens = drawn.flatMap((generation) => generation.tokens.slice(0, 1))
        if (tokens.length !== N) return `Of ${N} candidates of one token, ${tokens.length} have one.`
        const mean = sum(tokens.map((token) => logProbs[token]!)) / N
        const deviation = Math.sqrt(variance / N)
        if (Math.abs(mean - expected) > 5 * deviation + 1e-6) {
          return `At temperature ${temperature} the mean log-probability of ${N} sampled tokens is ${mean}; ${expected} ± ${deviation} was expected.`
        }
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/top-k-keeps-the-likeliest',
    'With topK only the k likeliest tokens are drawn; with topP only the fewest whose probability reaches it.',
    async ({ policy, groups }) => {
      const prompt = groups[0]!.prompt
      const logProbs = await nextToken(policy, prompt)
      const ranked = logProbs.map((_, v) => v).sort((a, b) => logProbs[b]! - logProbs[a]!)
      const prompts = [{ id: 'p', prompt, candidates: Array.from({ length: 50 }, (_, c) => c) }]
      const third = logProbs[ranked[2]!]!
      for (const { tokens } of await generate(policy, prompts, { topK: 3, maxNewTokens: 1 })) {
        const [token] = tokens
        if (token === undefined) return 'With topK 3 it drew no token.'
        if (logProbs[token]! < third - 1e-4)
          return `With topK 3 it drew token ${token}, of log-probability ${logProbs[token]}; the third likeliest has ${third}.`
      }
      const topP = 0.5
      let reached = 0
      const last = ranked.find((v) => (reached += Math.exp(logProbs[v]!)) >= topP - 1e-4)!
      for (const { tokens } of await generate(policy, prompts, { topP, maxNewTokens: 1 })) {
        const [token] = tokens
        if (token === undefined) return `With topP ${topP} it drew no token.`
        if (logProbs[token]! < logProbs[last]! - 1e-4)
          return `With topP ${topP} it drew token ${token}, of log-probability ${logProbs[token]}; tokens down to ${logProbs[last]} reach it.`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/stops-at-an-end-token',
    'A completion ends with the first of the run’s own end tokens, as with the model’s: it is the last token, not part of the text, and the finish is "eos".',
    async ({ policy, groups }) => {
      const prompts = [{ id: 'p', prompt: groups[0]!.prompt, candidates: [0, 1, 2, 3] }]
      for (const { candidate, tokens } of await generate(policy, prompts, { maxNewTokens: 8 })) {
        const end = tokens[Math.floor(tokens.length / 2)]
        if (end === undefined) return `Candidate ${candidate} has no token.`
        const alone = [{ ...prompts[0]!, candidates: [candidate] }]
        const [ended] = await generate(policy, alone, { maxNewTokens: 8, endTokens: [end] })
        if (ended === undefined) return NONE
        const expected = tokens.slice(0, tokens.indexOf(end) + 1)
        const text = policy.tokenizer.decode(expected.slice(0, -1))
        if (!isDeepStrictEqual(ended.tokens, expected) || ended.finish !== 'eos' || ended.text !== text)
          return `Of ${tokens.join(', ')} with the end token ${end} it made ${ended.tokens.join(', ')} (${JSON.stringify(ended.text)}), finished by "${ended.finish}".`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/stops-at-a-stop-string',
    'A completion ends once its text contains a stop string, and the text is cut before it.',
    async ({ policy, groups }) => {
      const prompts = [{ id: 'p', prompt: groups[0]!.prompt, candidates: [0, 1, 2, 3] }]
      for (const { candidate, text } of await generate(policy, prompts, { maxNewTokens: 8 })) {
        const stop = text.slice(Math.floor(text.length / 2), Math.floor(text.length / 2) + 2)
        if (stop.trim() === '') continue
        const [stopped] = await generate(policy, [{ ...prompts[0]!, candidates: [candidate] }], { maxNewTokens: 8, stop: [stop] })
        if (stopped === undefined) return NONE
        if (stopped.finish !== 'stop' || stopped.text !== text.slice(0, text.indexOf(stop))) {
          return `Of ${JSON.stringify(text)} with the stop string ${JSON.stringify(stop)} it made ${JSON.stringify(stopped.text)}, finished by "${stopped.finish}".`
        }
      }
      return undefined
    },
  ),
]

/** Trains until the likeliest next tokens stand out, for in a nearly uniform distribution no temperature shows. */
async function sharpen(policy: Policy, prompt: readonly number[]): Promise<void> {
  const favoured = weightedSum((_, c) => [-1, -0.6, -0.3][c]!)
  for (let step = 0; step < 60; step++) {
    const logProbs = await nextToken(policy, prompt)
    if (Math.max(...logProbs) - sum(logProbs) / logProbs.length > 2) return
    await policy.forwardBackward([{ id: 'favoured', prompt, completions: [[0], [1], [2]] }], favoured)
    await policy.optimStep({ ...adam, learningRate: 0.03 })
  }
}

function promptsOf(groups: readonly TokenGroup[]): GenerationPrompt[] {
  return groups.slice(0, 3).map(({ id, prompt }, n) => ({ id, prompt, candidates: n === 1 ? [3] : [0, 1] }))
}
