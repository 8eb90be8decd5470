import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type Labeler } from '../../src'
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
    expect(await readdir(path.join(made.config.run, sft!))).toEqual(['work'])
    expect(await readdir(path.join(made.config.run, sft!, 'work'))).toEqual(['stage.json'])
  })

  it('stops at a chain that does not fit, or leaves it out and says how many; refuses when none does', async () => {
    const wordy = { ...question('wordy', 2), candidates: [{ text: 's2 '.repeat(9) + 'a2', reference: true }] }
    const lengths = { onTooLong: 'skip' as const }
    const stopped = await world({ config: short, contextLength: 8, train: [question('a', 1), wordy] })
    await expect(runConfig(stopped)).rejects.toMatchObject({
      code: 'PLUMB_COMPLETION_TOO_LONG',
      message: expect.stringMatching(/"wordy" has 11 tokens behind a prompt of 2.*context is 8; lengths.onTooLong: skip/) as string,
    })
    const made = await world({ config: { ...short, lengths }, contextLength: 8, train: [question('a', 1), wordy] })
    const report = await runConfig({ ...made, last: 'sft' })
    expect(report.notices).toContain("1 reference chain of data.train left out: longer than the model's context.")
    const none = await world({ config: { ...short, lengths }, contextLength: 8, train: [wordy] })
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
