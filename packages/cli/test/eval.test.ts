import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createRegistry,
  pairedDifference,
  parseConfig,
  wilsonInterval,
  type Answer,
  type EvaluatedAnswer,
  type RunReport,
} from '@plumbline/core'
import { namedSets, writtenData } from '../src/eval/data'
import type { EvalReport } from '../src/eval/session'
import { folderWith, LEARNING_CONFIG, plumb, tinyProject } from './cli'

jest.setTimeout(180_000)

const linesOf = <T>(file: string) =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

describe('a data file', () => {
  // what is wrong with a file is found before any format is asked for
  const options = { config: undefined, registry: createRegistry([]) }

  it('that is not there, or none, is refused; one that is named twice too', async () => {
    const folder = folderWith({ 'a.jsonl': '{}' })
    await expect(writtenData(join(folder, 'b.jsonl'), options)).rejects.toMatchObject({
      code: 'PLUMB_EVAL_DATA',
      message: 'There is no such data file.',
    })
    await expect(writtenData(folder, options)).rejects.toMatchObject({
      code: 'PLUMB_EVAL_DATA',
      message: 'Expected a data file, but this is none.',
    })
    expect(() => namedSets([{ path: '/d/a.jsonl' }, { path: '/d/a.jsonl' }])).toThrow(
      'The file is named twice, and its questions would count twice.',
    )
  })

  it('is read as the configuration reads it, whole, where that names it', async () => {
    const folder = folderWith({ 'a.jsonl': '{}' })
    const path = join(folder, 'a.jsonl')
    const test = { path, format: 'qa', limit: 3, name: 'near', columns: { question: 'q' } }
    const { config } = parseConfig({ model: 'm', data: { train: 'x', test }, sft: { steps: 0 }, align: { loss: 'sft', steps: 1 } })
    expect(await writtenData(path, { ...options, config, limit: 7 })).toEqual({ path, format: 'qa', columns: { question: 'q' }, limit: 7 })
  })

  it('of several has a name, of which no two are equal', () => {
    const names = (...paths: string[]) => namedSets(paths.map((path) => ({ path }))).map(({ name }) => name)
    expect(names('/a/test.jsonl')).toEqual([undefined])
    expect(names('/a/test.jsonl', '/b/test.jsonl.gz', '/b/ä ö.csv', '/b/_.csv')).toEqual(['test', 'test-2', 'data', 'data-2'])
  })
})

describe('plumb eval', () => {
  const cwd = tinyProject(LEARNING_CONFIG)
  let report: RunReport
  beforeAll(async () => {
    report = JSON.parse((await plumb(['run', '--json'], { cwd })).stdout) as RunReport
    writeFileSync(
      join(cwd, 'qa.jsonl'),
      [1, 2, 3, 4].map((n) => JSON.stringify({ question: `What is ${n} + 1?`, answer: String(n + 1) })).join('\n') + '\n',
    )
  })
  const answersOf = (name: string) => {
    const folder = readdirSync(join(cwd, 'run')).find((each) => each.startsWith(`evaluate-${name}-`)) ?? ''
    return linesOf<Answer>(join(cwd, 'run', folder, 'answers.jsonl'))
  }

  it("on the run's test file has the run's answers and figures, and the difference with its interval", async () => {
    const before = readdirSync(join(cwd, 'run'))
    const args = ['eval', 'boundary', 'test.jsonl', '--baseline', 'VFT', '--out', 'answers.jsonl']
    const { code, stdout } = await plumb([...args, '--json'], { cwd })
    expect(code).toBe(0)
    const evaluated = JSON.parse(stdout) as EvalReport
    const row = (name: string) => report.rows.find((each) => each.name === name)
    for (const [m, name] of ['boundary', 'VFT'].entries()) {
      const { accuracy, interval, parseFailures, questions } = row(name)!
      expect(evaluated.models[m]).toMatchObject({ name, accuracy, interval, parseFailures, questions })
    }
    const [boundary, vft] = ['boundary', 'VFT'].map(answersOf)
    const written = linesOf<EvaluatedAnswer>(join(cwd, 'answers.jsonl'))
    const plain = ({ id, text, status, right, given }: Answer) => ({ id, text, status, right, given })
    expect(written.filter(({ model }) => model === 'boundary').map(plain)).toEqual(boundary!.map(plain))
    expect(written.filter(({ model }) => model === 'VFT').map(plain)).toEqual(vft!.map(plain))
    expect(written[0]).toMatchObject({ model: 'boundary', prompt: 'What is 100 + 1?', expected: '101' })
    // by hand: t(5) = 2.57058
    const { difference, standardError } = pairedDifference(
      boundary!.map(({ right }) => Number(right)),
      vft!.map(({ right }) => Number(right)),
    )
    expect(standardError).toBeGreaterThan(0)
    expect(evaluated.difference?.difference).toBeCloseTo(difference, 12)
    expect(evaluated.difference?.interval[1]).toBeCloseTo(difference + 2.570581835636 * standardError, 9)
    expect(readdirSync(join(cwd, 'run'))).toEqual(before)
  })

  it('prints accuracy with its interval, the breakdown, and where answers are', async () => {
    const { code, stdout } = await plumb(['eval', 'boundary', 'test.jsonl', '-b', 'VFT', '-o', 'out.jsonl', '--quiet'], { cwd })
    expect(code).toBe(0)
    const answers = answersOf('boundary')
    const count = (status: Answer['status']) => answers.filter((answer) => answer.status === status).length
    const [right, wrong, unparsed] = [count('right'), count('wrong'), count('unparsed')]
    const [from, to] = wilsonInterval(right, 6).map((value) => (100 * value).toFixed(1))
    expect(stdout).toMatch(/^Greedy answers to 6 questions of test\.jsonl, judged by the labeler "answer"\.\n/)
    expect(stdout).toMatch(
      new RegExp(`^boundary +${((100 * right) / 6).toFixed(1)} % +${from}–${to} +${right} +${wrong} +${unparsed}$`, 'm'),
    )
    expect(stdout).toMatch(
      /^boundary against VFT: [+−][\d.]+ points, 95 % interval [+−][\d.]+ to [+−][\d.]+ \(paired, over 6 questions\)\.$/m,
    )
    expect(stdout).toContain('Every answer is in out.jsonl.\n')
  })

  it('finds out the format of another file, counts each of several, and takes a limit', async () => {
    const { code, stdout } = await plumb(['eval', 'VFT', 'qa.jsonl', 'test.jsonl', '--limit', '3', '--json'], { cwd })
    expect(code).toBe(0)
    const { models, sets } = JSON.parse(stdout) as EvalReport
    expect(models[0]?.questions).toBe(6)
    expect(sets?.map(({ name, models: own }) => [name, own[0]?.name, own[0]?.questions])).toEqual([
      ['qa', 'VFT', 3],
      ['test', 'VFT', 3],
    ])
    const right = sets?.reduce((sum, { models: own }) => sum + (own[0]?.breakdown.right ?? NaN), 0)
    expect(models[0]?.breakdown.right).toBe(right)
  })

  it('measures a folder without a configuration', async () => {
    const elsewhere = folderWith({ 'm/config.json': '{}', 'qa.jsonl': readFileSync(join(cwd, 'qa.jsonl'), 'utf8') })
    const plugin = `plugins=[${JSON.stringify(join(__dirname, 'fixtures', 'learning-backend.cjs'))}]`
    const { code, stdout } = await plumb(['eval', 'm', 'qa.jsonl', '--set', plugin, '--set', 'backend=fake', '--json'], { cwd: elsewhere })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ models: [{ name: 'm', questions: 4 }], judge: 'answer' })
    expect(readdirSync(elsewhere).sort()).toEqual(['m', 'plumb-home', 'qa.jsonl'].filter((name) => existsSync(join(elsewhere, name))))
  })

  it.each([
    [['boundary', 'test.jsonl', 'test.jsonl'], /^PLUMB_EVAL_DATA {2}test\.jsonl {2}The file is named twice/],
    [['bondary', 'test.jsonl'], /^PLUMB_UNKNOWN_MODEL {2}"bondary" is neither .* Did you mean "boundary"\?\n$/],
    [
      ['boundary', 'test.jsonl', '--baseline', 'boundary'],
      /^PLUMB_EVAL_SAME_MODEL {2}boundary and the baseline boundary are the same model: there is nothing to compare\.\n$/,
    ],
    [['boundary', 'test.jsonl', '--labeler', 'anwser'], /^PLUMB_UNKNOWN_LABELER {2}--labeler anwser {2}.*Did you mean "answer"\?/],
    [['boundary', 'test.jsonl', '--format', 'gsm9k'], /^PLUMB_UNKNOWN_\w+ {2}--format gsm9k {2}.*gsm8k/],
    [['boundary', 'test.jsonl', '--out', 'run'], /^PLUMB_EVAL_OUT {2}run {2}Expected a file to write, but this is a folder\.\n$/],
    [['boundary', 'plain.jsonl'], /^PLUMB_(EVAL_NO_ANSWER|LABEL_NO_ANSWER|DATA_NO_ANSWER)/],
    [
      ['boundary', 'test.jsonl', '--bselin', 'VFT'],
      /^PLUMB_UNKNOWN_FLAG {2}plumb eval {2}--bselin is not an option of this command\. Did you mean "--baseline"\?/,
    ],
  ] as const)('%j is refused in one sentence', async (args, expected) => {
    writeFileSync(join(cwd, 'odd.jsonl'), '{"a": 1}\n{"a": 2}\n')
    writeFileSync(join(cwd, 'plain.jsonl'), '{"prompt": "What is 1 + 1?", "candidates": []}\n')
    mkdirSync(join(cwd, 'run'), { recursive: true })
    const { code, stdout, stderr } = await plumb(['eval', ...args], { cwd })
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(expected) as string])
  })
})
