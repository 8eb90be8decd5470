import { mkdirSync, writeFileSync } from 'node:fs'
import { setImmediate as tick } from 'node:timers/promises'

const END = 1
const FIRST = 2
const WORD_COUNT = 5000
/** Of a word, that tell it from others. */
const LETTERS = 12

/** One token a word, by a hash; each is decoded as the last word it stood for. */
class HashTokenizer {
  eosId = END
  vocabularySize = FIRST + WORD_COUNT
  fingerprint = 'hash'
  words = new Array(FIRST + WORD_COUNT)

  encode(text) {
    return text
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => {
        let sum = 7
        for (let i = 0; i < Math.min(word.length, LETTERS); i++) sum = (sum * 31 + word.charCodeAt(i)) % WORD_COUNT
        this.words[FIRST + sum] = word
        return FIRST + sum
      })
  }

  decode(ids) {
    return ids
      .filter((id) => id !== END)
      .map((id) => this.words[id] ?? `w${id}`)
      .join(' ')
  }
}

/** Answers in eight words, the last of which is a number that depends on prompt and candidate. */
function completion(tokenizer, { id, prompt }, candidate) {
  let sum = candidate
  for (const token of prompt) sum = (sum * 31 + token) % 1009
  const text = `so we find that it is #### ${(sum + id.length) % 10}`
  return { id, candidate, tokens: [...tokenizer.encode(text), END], text, finish: 'eos' }
}

const scores = (completions) => completions.map((tokens) => new Float32Array(tokens.length).fill(-0.01 * (1 + (tokens[0] % 7))))

function policy() {
  const tokenizer = new HashTokenizer()
  const save = (folder) => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/weights.bin`, 'none')
  }
  return {
    tokenizer,
    info: { engine: 'stand-in', architecture: 'none', parameters: 0, contextLength: 1024, vocabularySize: tokenizer.vocabularySize },
    logProbs: async (groups) => {
      await tick()
      return groups.map(({ completions }) => scores(completions))
    },
    forwardBackward: async (groups, objective) => {
      await tick()
      const batch = groups.map(({ completions }, index) => ({ index, tokenLogProbs: scores(completions) }))
      const { loss, metrics } = objective(batch)
      return { loss, metrics, completionTokens: 0, computedTokens: 0, microBatches: 1 }
    },
    optimStep: async () => ({ gradNorm: 1 }),
    async *generate(prompts) {
      // the last candidates first, since any order is allowed
      for (const [n, prompt] of prompts.entries()) {
        if (n % 256 === 0) await tick()
        for (const candidate of [...prompt.candidates].reverse()) yield completion(tokenizer, prompt, candidate)
      }
    },
    saveWeights: async (folder) => save(folder),
    saveState: async (folder) => save(folder),
    loadState: async () => undefined,
    dispose: async () => undefined,
  }
}

/** An engine that has no weights and is asked no more than the stages ask. */
export const standIn = {
  name: 'stand-in',
  probe: async () => ({ usable: true, device: 'none', kind: 'none', detail: '' }),
  modelFiles: async () => [],
  inspect: async () => ({ tokenizer: new HashTokenizer(), contextLength: 1024 }),
  open: async () => policy(),
}
