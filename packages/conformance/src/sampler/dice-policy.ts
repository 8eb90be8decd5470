import { createHash } from 'node:crypto'
import { PlumbError, randomStreams, type Policy, type Tokenizer } from '@plumbline/core'

const CHARACTERS = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n))
const [BOS, EOS] = [0, 1]

const tokenizer: Tokenizer = {
  bosId: BOS,
  eosId: EOS,
  vocabularySize: CHARACTERS.length + 2,
  fingerprint: createHash('sha256').update('dice').digest('hex'),
  encode: (text, { addSpecial = false } = {}) => {
    const ids = Array.from(text, (character) => Math.max(0, CHARACTERS.indexOf(character)) + 2)
    return addSpecial ? [BOS, ...ids] : ids
  },
  decode: (ids) => ids.map((id) => CHARACTERS[id - 2] ?? '').join(''),
}

/**
 * A policy that draws every character by dice, for the tests of a sampler: it keeps what `generate` promises (a candidate follows from seed,
 * prompt id and candidate alone, and the sampling options hold) without a model. It neither scores nor trains.
 */
export function dicePolicy(): Policy {
  return {
    info: { engine: 'dice', architecture: 'none', parameters: 0, contextLength: 256, vocabularySize: tokenizer.vocabularySize },
    tokenizer,
    async *generate(prompts, { seed, temperature, maxNewTokens, stop = [], endTokens = [] }, { signal } = {}) {
      for (const { id, candidates } of prompts) {
        for (const candidate of candidates) {
          await Promise.resolve()
          signal?.throwIfAborted()
          const uniform = randomStreams(seed)('dice', id, candidate, temperature)
          const tokens: number[] = []
          let finish: 'eos' | 'stop' | 'length' = 'length'
          let text = ''
          while (finish === 'length' && tokens.length < maxNewTokens) {
            const token = temperature === 0 ? 2 : EOS + Math.floor(uniform() * (tokenizer.vocabularySize - EOS))
            tokens.push(token)
            if (token === EOS || endTokens.includes(token)) finish = 'eos'
            else text = tokenizer.decode(tokens)
            const at = Math.min(...stop.map((each) => text.indexOf(each)).filter((found) => found >= 0))
            if (Number.isFinite(at)) [text, finish] = [text.slice(0, at), 'stop']
          }
          yield { id, candidate, tokens, text, finish }
        }
      }
    },
    logProbs: noModel,
    forwardBackward: noModel,
    optimStep: noModel,
    snapshot: noModel,
    saveWeights: noModel,
    saveState: noModel,
    loadState: noModel,
    dispose: async () => undefined,
  }
}

async function noModel(): Promise<never> {
  throw new PlumbError('PLUMB_NO_MODEL', 'A policy of dice only samples; open a model of a backend to score or train.')
}
