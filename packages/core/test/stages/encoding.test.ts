import { configSchema, Encoder, encodingNotices, EncodingCache, renderPrompt, runConfig } from '../../src'
import type { ChatMessage, Generation, GroupRecord, PromptConfig, Tokenizer } from '../../src'
import { WordTokenizer } from '../support/word-tokenizer'
import { question, world } from '../support/world'

/** A tokenizer with the ends of ChatML: ids 3 `<end>` and 4 `nl` follow every turn; special tokens are not shown. */
class ChatWords implements Tokenizer {
  readonly words = ['<s>', '</s>', '<unk>', '<end>', 'nl', 'user:', 'system:', 'assistant:', 'a', 'b', 'ab', 'q', 'stop', '<think>']
  readonly vocabularySize = this.words.length
  readonly fingerprint = 'chat words'
  readonly bosId = 0
  readonly eosId?: number = 1
  readonly turnEnd?: Tokenizer['turnEnd'] = { token: 3, tail: [4] }
  calls = 0

  constructor(over: Partial<Tokenizer> = {}) {
    Object.assign(this, over)
  }

  encode(text: string, { addSpecial = false } = {}): number[] {
    this.calls++
    const ids = text
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => (this.words.includes(word) ? this.words.indexOf(word) : 2))
    return addSpecial ? [0, ...ids] : ids
  }

  decode(ids: readonly number[], { special = false } = {}): string {
    return ids
      .filter((id) => special || id > 3)
      .map((id) => this.words[id])
      .join(' ')
  }

  renderChat?(messages: readonly ChatMessage[], { addGenerationPrompt = true } = {}): string {
    const turns = messages.map(({ role, content }) => `${role}: ${content} <end> nl `)
    return turns.join('') + (addGenerationPrompt ? 'assistant: ' : '')
  }
}

const encoderOf = (tokenizer: Tokenizer, prompt: Partial<PromptConfig> = {}, contextLength = 32) => {
  const config = configSchema.shape.prompt.parse(prompt)
  return new Encoder({ tokenizer, contextLength }, (record, loaded) => renderPrompt(record, config, loaded), new EncodingCache())
}
const record = (over: Partial<GroupRecord> = {}): GroupRecord => ({ id: 'r', prompt: 'q', candidates: [], ...over })
const asked = record({ messages: [{ role: 'user', content: 'q' }] })
const generation = (tokens: readonly number[], finish: Generation['finish'], text: string): Generation => ({
  id: 'r',
  candidate: 0,
  tokens,
  finish,
  text,
})

describe('plain text', () => {
  it('ends with EOS, once, and generation starts from the same prompt', () => {
    const encoder = encoderOf(new ChatWords())
    expect(encoder.example(record(), 'a b')).toEqual({ prompt: [0, 11], completion: [8, 9, 1] })
    expect(encoder.example(record(), 'a b </s>')).toEqual({ prompt: [0, 11], completion: [8, 9, 1] })
    expect(encoder.question(record())).toEqual([0, 11])
  })

  it('of a tokenizer that does not show its special tokens ends with EOS as well', () => {
    const encoder = encoderOf(new WordTokenizer(['q', 'a']))
    expect(encoder.example(record(), 'a')).toEqual({ prompt: [0, 3], completion: [4, 1] })
  })

  it('needs an EOS, for training and for sampling', () => {
    const encoder = encoderOf(new ChatWords({ eosId: undefined }))
    const error = expect.objectContaining({
      code: 'PLUMB_TOKENIZER_NO_EOS',
      message: expect.stringContaining('tokenizer_config.json') as string,
    })
    expect(() => encoder.example(record(), 'a')).toThrow(error)
    expect(() => encoder.question(record())).toThrow(error)
    expect(encoder.example(asked, 'a')?.completion).toEqual([8, 3, 4])
  })

  it('says of which record an error is', () => {
    const refusing = new ChatWords({
      renderChat: () => {
        throw Object.assign(new Error('never'))
      },
    })
    expect(() => encoderOf(refusing).question(asked)).toThrow('never')
    expect(() =>
      encoderOf(new ChatWords(), { chat: false }).question(record({ messages: [...asked.messages!, ...asked.messages!] })),
    ).toThrow(expect.objectContaining({ code: 'PLUMB_PROMPT_CONVERSATION', where: 'question "r"' }))
  })

  it('takes the tokenizer’s own boundary, and counts repairs', () => {
    const tokenizer = new ChatWords({ encodePair: () => ({ prompt: [0, 11], completion: [8, 1], exact: false, where: 'q |a' }) })
    const encoder = encoderOf(tokenizer)
    expect(encoder.example(record(), 'a')).toEqual({ prompt: [0, 11], completion: [8, 1] })
    expect([encoder.repaired, encoder.firstRepair]).toEqual([1, 'q |a'])
  })

  it('is tokenised once', () => {
    const tokenizer = new ChatWords()
    const encoder = encoderOf(tokenizer)
    const calls = () => {
      encoder.question(record())
      encoder.example(record(), 'a b')
      return tokenizer.calls
    }
    expect(calls()).toBe(calls())
  })
})

describe('conversations', () => {
  it('end as the template ends a turn, and not with EOS', () => {
    const encoder = encoderOf(new ChatWords())
    expect(encoder.example(asked, 'a b')).toEqual({ prompt: [5, 11, 3, 4, 7], completion: [8, 9, 3, 4] })
    expect(encoder.question(asked)).toEqual([5, 11, 3, 4, 7])
  })

  it('whose prompt the template writes otherwise go on from the prompt, and are counted', () => {
    const thinking = new ChatWords({
      renderChat: (messages, { addGenerationPrompt = true } = {}) =>
        `${messages.map(({ role, content }) => `${role}: ${content} <end> nl `).join('')}${addGenerationPrompt ? 'assistant: <think> ' : ''}`,
    })
    const encoder = encoderOf(thinking)
    expect(encoder.example(asked, 'a')).toEqual({ prompt: [5, 11, 3, 4, 7, 13], completion: [8, 3, 4] })
    expect(encoder.example(asked, '')).toEqual({ prompt: [5, 11, 3, 4, 7, 13], completion: [3, 4] })
    expect(encoder.reshaped).toBe(2)
    expect(encodingNotices(encoder, 'data.train', 'candidate')).toEqual([
      {
        level: 'warning',
        message: expect.stringMatching(/^The chat template writes 2 candidates of data.train behind another text/) as string,
      },
    ])
  })

  it('that the template does not end are said; so are plain chains of a chat model', () => {
    const encoder = encoderOf(new ChatWords({ turnEnd: undefined }))
    encoder.example(asked, 'a')
    encoder.example(record(), 'a')
    expect(encodingNotices(encoder, 'data.train', 'reference chain').map(({ message }) => message)).toEqual([
      'The chat template ends 1 reference chain of data.train with no special token, so nothing teaches the model to stop.',
      expect.stringMatching(/^The model has a chat template, which 1 reference chain of data.train are trained without/),
    ])
  })
})

describe('an answer that is cut', () => {
  const cutTo = (maxCompletionTokens: number, over: Partial<Tokenizer> = {}) => {
    const config = configSchema.shape.prompt.parse({})
    const lengths = { maxCompletionTokens, onTooLong: 'truncate' as const }
    const model = { tokenizer: new ChatWords(over), contextLength: 32 }
    const encoder = new Encoder(model, (asks, loaded) => renderPrompt(asks, config, loaded), new EncodingCache(), lengths)
    const example = encoder.example(asked, 'a b')
    return [example?.completion, example?.cut, encoder.cutChains.tokens]
  }

  it('keeps its first tokens', () => {
    expect(cutTo(4)).toEqual([[8, 9, 3, 4], undefined, 0])
    expect(cutTo(2)).toEqual([[8, 9], true, 2])
    expect(cutTo(1)).toEqual([[8], true, 3])
  })

  it('is not cut within what ends its turn, unless the special token that does is there', () => {
    expect(cutTo(3)).toEqual([[8, 9, 3], true, 1])
    const unended: Partial<Tokenizer> = {
      turnEnd: undefined,
      renderChat: (messages, { addGenerationPrompt = true } = {}) =>
        messages.map(({ role, content }) => `${role}: ${content} nl nl `).join('') + (addGenerationPrompt ? 'assistant: ' : ''),
    }
    expect(cutTo(4, unended)).toEqual([[8, 9, 4, 4], undefined, 0])
    expect(cutTo(3, unended)).toEqual([[8, 9], true, 2])
  })
})

describe('the end of sampling', () => {
  it('is the end of the turn where a record goes through the template', () => {
    const encoder = encoderOf(new ChatWords())
    expect(encoder.ending([record()], ['stop'])).toEqual({ stop: ['stop'], endTokens: [] })
    expect(encoder.ending([record(), asked], ['stop'])).toEqual({ stop: ['stop'], endTokens: [3] })
  })

  it('is a stop string that is a special token; one that holds such a token among text could never be', () => {
    const encoder = encoderOf(new ChatWords())
    expect(encoder.ending([record()], ['<end>', 'stop'])).toEqual({ stop: ['stop'], endTokens: [3] })
    expect(() => encoder.ending([], ['a <end>'])).toThrow(
      expect.objectContaining({ code: 'PLUMB_STOP_NEVER', message: expect.stringContaining('"<end>"') as string }),
    )
  })
})

describe('a sampled completion is trained as references are', () => {
  const encoder = encoderOf(new ChatWords())

  it.each([
    ['the template’s tail follows the end of a turn', asked, generation([8, 3], 'eos', 'a'), [8, 3, 4]],
    ['another end stays', asked, generation([8, 1], 'eos', 'a'), [8, 1]],
    ['plain text has no tail', record(), generation([8, 1], 'eos', 'a'), [8, 1]],
    ['what was cut off has no end', asked, generation([8, 9], 'length', 'a b'), [8, 9]],
    ['a stop string is replaced by EOS', record(), generation([8, 9, 12], 'stop', 'a b '), [8, 9, 1]],
    ['a stop string is replaced by the end of the turn', asked, generation([8, 9, 12], 'stop', 'a b'), [8, 9, 3, 4]],
    ['a stop string at the start leaves the end', record(), generation([12], 'stop', ''), [1]],
    ['inside of a token the text before is tokenised anew', record(), generation([8, 10], 'stop', 'a a'), [8, 8, 1]],
  ])('%s', (_, of, sampled, tokens) => {
    expect(encoder.sampled(of, sampled)).toEqual({ ...sampled, tokens })
  })

  it('but not beyond the context', () => {
    const sampled = generation([8, 3], 'eos', 'a')
    expect(encoderOf(new ChatWords(), {}, 7).sampled(asked, sampled)).toEqual(sampled)
    expect(encoderOf(new ChatWords(), {}, 8).sampled(asked, sampled).tokens).toEqual([8, 3, 4])
  })
})

it('stages sample up to the stop string and train on the end instead', async () => {
  const made = await world({
    config: {
      sft: { steps: 30, batchSize: 8, learningRate: 0.3 },
      sample: { k: 2, maxNewTokens: 6, temperature: 0, stop: ['a1', 'a2', 'a3'] },
      align: [{ name: 'sft', steps: 1, losses: [{ loss: 'sft' }] }],
    },
    train: [1, 2, 3].map((d) => question(`t${d}`, d)),
    test: [question('test', 1)],
  })
  await runConfig({ ...made, last: 'sample' })
  const { readdir, readFile } = await import('node:fs/promises')
  const [folder] = (await readdir(made.config.run)).filter((name) => name.startsWith('sample'))
  const lines = (await readFile(`${made.config.run}/${folder}/samples.jsonl`, 'utf8')).trim().split('\n')
  const finished = lines.flatMap((line) => (JSON.parse(line) as { candidates: Generation[] }).candidates)
  expect(finished.some(({ finish }) => finish === 'stop')).toBe(true)
  for (const { finish, tokens } of finished) if (finish === 'stop') expect(tokens.at(-1)).toBe(1)
})
