import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type Labeler, type Tokenizer } from '../../src'
import { Encoder, EncodingCache } from '../../src/stages/encoding'
import { WordTokenizer } from '../support/word-tokenizer'
import { lastWord, question, world } from '../support/world'

const short = {
  sft: { steps: 1, batchSize: 4 },
  sample: { k: 2, maxNewTokens: 3 },
  align: [{ name: 'sft', steps: 1, losses: [{ loss: 'sft' }] }],
  evaluate: { maxNewTokens: 3 },
}

describe('bad input', () => {
  it('names the question whose prompt leaves no room for an answer, before any training', async () => {
    const long = { ...question('test-long', 3), prompt: 'q1 '.repeat(9).trim() }
    const made = await world({ config: short, contextLength: 8, test: [question('test-1', 1), long] })
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_PROMPT_TOO_LONG',
      message: expect.stringMatching(/question "test-long" has 10 tokens; the model's context is 8/) as string,
    })
    expect(made.backend.open_).toBe(0)
    const [sft] = await readdir(made.config.run)
    expect(await readdir(path.join(made.config.run, sft))).toEqual(['work'])
    expect(await readdir(path.join(made.config.run, sft, 'work'))).toEqual(['stage.json'])
  })

  it('leaves out chains that do not fit and says how many; refuses when none does', async () => {
    const wordy = { ...question('wordy', 2), candidates: [{ text: 's2 '.repeat(9) + 'a2', reference: true }] }
    const made = await world({ config: short, contextLength: 8, train: [question('a', 1), wordy] })
    const report = await runConfig({ ...made, last: 'sft' })
    expect(report.notices).toContain("1 reference chain of data.train left out: longer than the model's context.")
    const none = await world({ config: short, contextLength: 8, train: [wordy] })
    await expect(runConfig(none)).rejects.toMatchObject({ code: 'PLUMB_DATA_EMPTY' })
  })

  it.each([
    ['PLUMB_DATA_EMPTY', 'an empty file', { test: [] }],
    ['PLUMB_DATA_NO_REFERENCE', 'training questions without chains', { train: [question('a', 1, false)] }],
    ['PLUMB_DATA_DUPLICATE_ID', 'an id that occurs twice', { train: [question('a', 1), question('a', 2)] }],
  ])('%s: %s', async (code, _, options) => {
    await expect(runConfig(await world({ config: short, ...options }))).rejects.toMatchObject({ code })
  })

  it('asks the labeler before training whether it can judge every question', async () => {
    const strict: Labeler = {
      ...lastWord,
      label: async (asked, candidates) => {
        if (asked.answer === undefined) throw Object.assign(new Error(`no answer in ${asked.id}`), { code: 'PLUMB_DATA_NO_ANSWER' })
        return lastWord.label(asked, candidates)
      },
    }
    const made = await world({ config: short, labeler: strict, test: [{ ...question('t', 1), answer: undefined }] })
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_DATA_NO_ANSWER' })
    expect(made.backend.opened).toBe(0)
  })

  it('says that the model folder or the tokenizer is not there', async () => {
    const missing = await world({ config: { ...short, model: '/nowhere/model' } })
    await expect(runConfig(missing)).rejects.toMatchObject({ code: 'PLUMB_MODEL_MISSING', where: '/nowhere/model' })
    const bare = await world({ config: short })
    await rm(path.join(bare.folder, 'tokenizer'), { recursive: true })
    await expect(runConfig(bare)).rejects.toMatchObject({ code: 'PLUMB_TOKENIZER_MISSING' })
  })
})

describe('Encoder', () => {
  const tokenizer = new WordTokenizer(['q', 'a', 'b'])
  const encoder = (over: Partial<Tokenizer>, addSpecial = true) => {
    const methods = { encode: tokenizer.encode.bind(tokenizer), decode: tokenizer.decode.bind(tokenizer) }
    const all: Tokenizer = { ...methods, eosId: 1, vocabularySize: 6, fingerprint: 'x', ...over }
    return new Encoder({ tokenizer: all, contextLength: 16 }, (text) => ({ text: `${text} `, addSpecial }), new EncodingCache())
  }
  const record = { id: 'r', prompt: 'q', candidates: [] }

  it('ends the chain with EOS, and starts generation from the same prompt', () => {
    expect(encoder({}).example(record, 'a b')).toEqual({ prompt: [0, 3], completion: [4, 5, 1] })
    expect(encoder({}).question(record)).toEqual([0, 3])
    expect(encoder({ eosId: undefined }).example(record, 'a b')?.completion).toEqual([4, 5])
  })

  it('adds no special tokens to a prompt that has them, as a chat template writes it', () => {
    expect(encoder({ encodePair: undefined }, false).example(record, 'a')).toEqual({ prompt: [3], completion: [4, 1] })
    expect(encoder({}, false).question(record)).toEqual([3])
  })

  it('takes the tokenizer’s own boundary, and counts repairs', () => {
    const repairing = encoder({ encodePair: () => ({ prompt: [0, 3], completion: [5], exact: false, where: 'q |a' }) })
    expect(repairing.example(record, 'a')).toEqual({ prompt: [0, 3], completion: [5, 1] })
    expect([repairing.repaired, repairing.firstRepair]).toEqual([1, 'q |a'])
  })

  it('tokenises a text once', () => {
    let calls = 0
    const counting = encoder({
      encode: (text, options) => {
        calls++
        return tokenizer.encode(text, options)
      },
    })
    counting.question(record)
    counting.question(record)
    expect(calls).toBe(1)
  })
})
