import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  assessmentAccuracy,
  hashFile,
  hashJson,
  pairedDifference,
  perplexity,
  randomStreams,
  wilsonInterval,
  type ReportContent,
  type ReportRow,
} from '@plumbline/core'

export interface SyntheticOptions {
  readonly questions: number
  /** Candidates of each question. */
  readonly k: number
  readonly variants: readonly string[]
  readonly seed?: number
  /** Training steps of each variant. */
  readonly steps?: number
  /** Words of each text. */
  readonly words?: number
  /** What every text begins with. */
  readonly prefix?: string
  /** Leaves the texts of the questions out, as versions did that did not keep them. */
  readonly withoutQuestions?: boolean
  /** Learning rate of stage 1, a setting like any other. */
  readonly learningRate?: number
}

const WORDS = 'the farmer sells nine crates of apples and buys some more then counts what is left so that each child gets three'.split(' ')

/** Writes a finished run as stages do, with figures drawn at random, and gives its report. */
export async function syntheticRun(run: string, options: SyntheticOptions): Promise<ReportContent> {
  const {
    questions: n,
    k,
    variants,
    seed = 0,
    steps = 40,
    words = 34,
    prefix = '',
    withoutQuestions = false,
    learningRate = 0.001,
  } = options
  const random = randomStreams(seed)('synthetic')
  const sentence = () =>
    `${prefix}${Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ')}.\nThe answer is ${Math.floor(random() * 90)}`
  const ids = Array.from({ length: n }, (_, q) => `test:${q + 1}`)
  const candidates = ids.map((id) => ({
    id,
    promptTokens: [1, 2, 3],
    candidates: Array.from({ length: k }, () => ({
      text: sentence(),
      tokens: Array.from({ length: words }, (_, t) => t),
      positive: random() < 0.5,
    })),
  }))
  const code = { '@plumbline/core': '0.1.0' }
  const common = { code, backend: { name: 'synthetic', device: 'cpu' }, seed }
  const store = new Store(run)
  const metrics = (name: string) =>
    Array.from({ length: steps }, (_, s) => {
      const noise = () => 0.05 * random()
      const drift = (s / steps) * (name === 'none' ? 2 : 0.5)
      return {
        step: s + 1,
        loss: 1 - drift / 4 + noise(),
        gradNorm: 1,
        learningRate,
        completionTokens: 900,
        'score/positive': -0.2 + noise(),
        'score/negative': -0.3 - drift + noise(),
        margin: 0.1 + drift + noise(),
        assessment: 0.6 + noise(),
      }
    })
  const sft = await store.add(
    'sft',
    undefined,
    { sft: { steps, learningRate }, train: 'train-hash', model: 'base-hash', ...common },
    { 'metrics.jsonl': metrics('VFT').map(({ step, loss }) => ({ step, loss })), model: [{ weights: seed, learningRate }] },
    { steps, completionTokens: 900 * steps },
  )
  const sample = await store.add(
    'sample',
    undefined,
    { sample: { k, temperature: 1 }, model: sft.model, questions: 'questions-hash', ...common },
    {
      'samples.jsonl': candidates.map(({ id, promptTokens, candidates: own }) => ({
        id,
        promptTokens,
        sampled: k,
        candidates: own.map(({ text, tokens }, candidate) => ({ candidate, times: 1, text, tokens, finish: 'stop' })),
        references: [],
      })),
    },
    { questions: n, sampled: n * k, duplicate: 0 },
  )
  const label = await store.add(
    'label',
    undefined,
    { label: { name: 'answer' }, samples: sample['samples.jsonl'], questions: 'questions-hash', code },
    {
      'groups.jsonl': candidates.map(({ id, promptTokens, candidates: own }) => ({
        id,
        prompt: id,
        promptTokens,
        sampled: k,
        candidates: own.map(({ text, tokens, positive }) => ({
          text,
          tokens,
          times: 1,
          status: positive ? 'right' : 'wrong',
          positive,
          reward: Number(positive),
        })),
      })),
    },
    { right: candidates.flatMap((each) => each.candidates).filter(({ positive }) => positive).length },
  )
  const tested = await store.add(
    'evaluate',
    'candidates',
    { model: sft.model, sample: { k }, test: 'test-hash', code },
    {
      'candidates.jsonl': candidates,
      ...(withoutQuestions
        ? {}
        : { 'questions.jsonl': ids.map((id) => ({ id, prompt: sentence(), answer: String(Math.floor(random() * 90)) })) }),
    },
  )
  const marks: { name: string; key: string; right: boolean[]; scores: number[][] }[] = []
  for (const [m, name] of ['VFT', ...variants].entries()) {
    const trained =
      m === 0
        ? sft
        : await store.add(
            'align',
            name,
            { align: { losses: [{ name, weight: 1 }], learningRate }, model: sft.model, labels: label['groups.jsonl'], ...common },
            { 'metrics.jsonl': metrics(name), model: [{ weights: `${name} ${seed} ${learningRate}` }] },
            { steps, completionTokens: 900 * steps },
          )
    const scores = candidates.map(({ candidates: own }) => own.map(({ positive }) => -0.2 - random() - (positive ? 0 : 0.1 * m)))
    const answers = ids.map((id) => {
      const right = random() < 0.45 + 0.03 * m
      return { id, text: sentence(), status: right ? 'right' : 'wrong', right, given: String(Math.floor(random() * 90)) }
    })
    const made = await store.add(
      'evaluate',
      name,
      { model: trained.model, evaluate: { maxNewTokens: 64 }, test: 'test-hash', candidates: tested['candidates.jsonl'], ...common },
      { 'answers.jsonl': answers, 'scores.jsonl': ids.map((id, q) => ({ id, scores: scores[q] ?? [] })) },
      { questions: n },
    )
    marks.push({ name, key: made.key, right: answers.map(({ right }) => right), scores })
  }
  const control = variants.at(-1) ?? 'VFT'
  const hits = (name: string) => marks.find((each) => each.name === name)?.right.map(Number) ?? []
  const rows = marks.map(({ name, right, scores }): ReportRow => {
    const count = right.filter(Boolean).length
    const flat = (wanted: boolean) =>
      candidates.flatMap(({ candidates: own }, q) => own.flatMap(({ positive }, c) => (positive === wanted ? (scores[q]?.[c] ?? []) : [])))
    return {
      name,
      questions: n,
      accuracy: count / n,
      interval: wilsonInterval(count, n),
      ...(name === control ? {} : { versusControl: pairedDifference(hits(name), hits(control)) }),
      parseFailures: 0,
      assessmentAccuracy: assessmentAccuracy(
        candidates.map(({ candidates: own }, q) => ({ scores: scores[q] ?? [], positive: own.map(({ positive }) => positive) })),
      ),
      positivePerplexity: perplexity(flat(true)),
      negativePerplexity: perplexity(flat(false)),
    }
  })
  const key = hashJson({ keys: marks.map((each) => [each.name, each.key]), control }).slice(0, 8)
  const report: ReportContent = {
    key,
    control,
    design: 'alignment on questions that were made up',
    rows,
    samples: { questions: n, sampled: n * k, 'pass@1': 0.5 },
    notices: [],
  }
  for (const name of ['report', `report-${key}`]) writeFileSync(path.join(run, `${name}.json`), JSON.stringify(report, undefined, 2))
  store.log()
  return report
}

/** Stage folders with manifests as core writes them. */
class Store {
  private readonly entries: object[] = []

  constructor(private readonly run: string) {
    mkdirSync(run, { recursive: true })
  }

  /** Resolves to the hashes of the artifacts by name, and the stage's key. */
  async add(
    stage: string,
    variant: string | undefined,
    determinedBy: object,
    files: Readonly<Record<string, readonly object[]>>,
    figures: Readonly<Record<string, number>> = {},
  ): Promise<Record<string, string> & { readonly key: string }> {
    const key = hashJson({ stage, determinedBy })
    // a variant may be called what no file may
    const folder = path.join(this.run, `${stage}-${key.slice(0, 8)}`)
    mkdirSync(folder, { recursive: true })
    const artifacts: Record<string, string> = {}
    for (const [name, lines] of Object.entries(files)) {
      writeFileSync(path.join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      artifacts[name] = await hashFile(path.join(folder, name))
    }
    const summary = `${Object.keys(files).join(', ')} drawn at random`
    writeFileSync(
      path.join(folder, 'done.json'),
      JSON.stringify({ stage, variant, key, determinedBy, artifacts, summary, figures, notices: [] }),
    )
    const machine = { cpu: 'A processor', cores: 2, memoryGiB: 8, system: 'linux x64', node: 'v22.0.0', engine: 'synthetic (cpu)' }
    this.entries.push({ time: '2026-01-02T03:04:05.000Z', stage, variant, key, seconds: 75, summary, machine })
    return { ...artifacts, key }
  }

  log(): void {
    const source = (name: string, hash: string) => ({ source: `data.${name}`, hash, records: 10, files: [`data/${name}.jsonl`] })
    const sources = [source('train', 'train-hash'), source('questions', 'questions-hash'), source('test', 'test-hash')]
    const lines = [{ time: '2026-01-02T03:04:00.000Z', model: 'models/base', sources }, ...this.entries]
    writeFileSync(path.join(this.run, 'log.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
}
