import { allLogProbs, backendCheck, differ, nextToken, sum } from './bench'

export const scoringChecks = [
  backendCheck(
    'backend/probe-says-what-it-would-use',
    '`probe` says in one line each which device it has and what it would use or misses, without a model.',
    async ({ backend }) => {
      const { usable, device, detail } = await backend.probe()
      if (typeof usable !== 'boolean') return `usable is ${String(usable)}.`
      const line = [device, detail].find((text) => typeof text !== 'string' || text === '' || text.includes('\n'))
      return line === undefined ? undefined : `It says ${JSON.stringify(line)}.`
    },
  ),

  backendCheck(
    'backend/inspects-what-it-opens',
    'Where there is `inspect`, it gives the tokenizer and the context length that the opened policy has.',
    async ({ backend, model, policy }) => {
      if (!backend.inspect) return undefined
      const { tokenizer, contextLength } = await backend.inspect(model)
      if (tokenizer.fingerprint !== policy.tokenizer.fingerprint) return 'Its tokenizer has another fingerprint than the policy’s.'
      const expected = policy.info.contextLength
      return contextLength === expected ? undefined : `It says the context has ${contextLength} tokens; the policy says ${expected}.`
    },
  ),

  backendCheck(
    'backend/log-probs-fit-the-completions',
    'There is one finite log-probability of at most 0 per token of a needed completion, and undefined for the others.',
    async ({ policy, groups }) => {
      const asked = groups.map((group, g) => ({ ...group, needed: g === 0 ? [true, false, true] : undefined }))
      const scored = await policy.logProbs(asked)
      for (const [g, { completions, needed }] of asked.entries()) {
        for (const [c, completion] of completions.entries()) {
          const logProbs = scored[g]?.[c]
          const place = `Completion ${c} of group ${g}, of ${completion.length} tokens,`
          if (needed?.[c] === false) {
            if (logProbs !== undefined) return `${place} was not needed, but has log-probabilities.`
            continue
          }
          if (logProbs?.length !== completion.length) return `${place} has ${logProbs?.length ?? 'no'} log-probabilities.`
          if (!logProbs.every((l) => Number.isFinite(l) && l <= 1e-5))
            return `${place} has the log-probabilities ${[...logProbs].join(', ')}.`
        }
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/log-probs-are-of-a-distribution',
    'The probabilities of all tokens after a prompt add up to 1.',
    async ({ policy, groups }) => {
      const total = sum((await nextToken(policy, groups[0]!.prompt)).map(Math.exp))
      return Math.abs(total - 1) < 1e-3 ? undefined : `They add up to ${total}.`
    },
  ),

  backendCheck(
    'backend/candidates-do-not-see-each-other',
    'A completion’s log-probabilities depend on its own prompt and tokens alone, not on the other candidates, the other groups, or their order.',
    async ({ policy, groups }) => {
      const together = await allLogProbs(policy, groups)
      const alone: number[] = []
      for (const group of groups)
        for (const completion of group.completions) alone.push(...(await allLogProbs(policy, [{ ...group, completions: [completion] }])))
      const found = differ(together, alone, 2e-4)
      return found && `Scored one by one, ${found}.`
    },
  ),

  backendCheck(
    'backend/earlier-tokens-do-not-see-later-ones',
    'A token’s log-probability depends only on the prompt and the tokens before it.',
    async ({ policy, groups }) => {
      const cut = groups.map((group) => ({
        ...group,
        completions: group.completions.map((completion) => completion.slice(0, Math.ceil(completion.length / 2))),
      }))
      const whole = await policy.logProbs(groups)
      const expected = whole.flatMap((group, g) => group.flatMap((logProbs, c) => [...logProbs!.slice(0, cut[g]!.completions[c]!.length)]))
      const found = differ(expected, await allLogProbs(policy, cut), 2e-4)
      return found && `With the second half of each completion cut off, ${found}.`
    },
  ),
]
