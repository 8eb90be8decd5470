import {
  isGiven,
  REFERENCE_LIKELIHOOD,
  type Backend,
  type ModelSource,
  type OpenOptions,
  type Policy,
  type ResolvedConfig,
  type TokenGroup,
} from '@plumbline/core'
import type { Surveys } from './survey'

/** What a model does on this machine, measured. */
export interface Rates {
  /** Tokens a second, forward and backward, prompts counted once for all their candidates. */
  readonly trained: number
  /** Tokens a second. */
  readonly sampled: number
  /** Seconds of an optimizer step. */
  readonly step: number
}

export interface StageCost {
  readonly stage: string
  readonly seconds: number
}

/** Forward alone, beside forward and backward. */
const SCORING = 1 / 3

/** How long each stage will take. Sampled answers are taken to be as long as the reference chains, where there are any. */
export function estimate(resolved: ResolvedConfig, { train, questions, test }: Surveys, { trained, sampled, step }: Rates): StageCost[] {
  const { sft, sample, align, evaluate, rounds } = resolved.config
  const areGiven = isGiven(resolved.sampler.made)
  const answer = (most: number): number => (train.chain > 0 && !areGiven ? Math.min(most, train.chain) : most)
  const steps = ({ steps: given, epochs = 0, batchSize }: typeof sft, records: number): number =>
    given ?? Math.ceil((epochs * records) / batchSize)
  const training = (section: typeof sft, records: number, tokens: number): number =>
    steps(section, records) * (step + (section.batchSize * tokens) / trained)
  const candidates = areGiven ? questions.chains * questions.chain : (sample.k + 1) * answer(sample.maxNewTokens)
  const asked = resolved.judge.asked === 'all' ? test.records : 0
  const scored = areGiven ? test.chains * test.chain : sample.k * answer(sample.maxNewTokens)
  const perModel = (asked * answer(evaluate.maxNewTokens)) / sampled + (test.records * (test.prompt + scored) * SCORING) / trained
  // behind the first round each variant samples for itself
  const samplings = 1 + (rounds - 1) * align.length
  return [
    { stage: 'sft', seconds: training(sft, train.records, train.prompt + train.chain) },
    { stage: 'sample', seconds: areGiven ? 0 : (samplings * questions.records * sample.k * answer(sample.maxNewTokens)) / sampled },
    ...align.map((variant) => {
      const isLikelihood = variant.losses.every(({ loss }) => loss === REFERENCE_LIKELIHOOD)
      const tokens = isLikelihood ? train.prompt + train.chain : questions.prompt + candidates
      return { stage: `align ${variant.name}`, seconds: rounds * training(variant, questions.records, tokens) }
    }),
    {
      stage: 'evaluate',
      seconds: (rounds * align.length + 1) * perModel + (areGiven ? 0 : (test.records * sample.k * answer(sample.maxNewTokens)) / sampled),
    },
  ].filter(({ seconds }) => seconds > 0)
}

/** One line: the whole, and each stage. */
export function costLine(costs: readonly StageCost[], { trained, sampled }: Rates): string {
  const whole = costs.reduce((sum, { seconds }) => sum + seconds, 0)
  const parts = costs.map(({ stage, seconds }) => `${stage} ${duration(seconds)}`)
  return (
    `about ${duration(whole)} (${parts.join(', ')}), at ${Math.round(trained)} tokens a second of training and ${Math.round(sampled)} of sampling, ` +
    `measured just now; sampled answers are taken to be as long as the chains`
  )
}

export function duration(seconds: number): string {
  const shown = (value: number): string => String(value < 10 ? Number(value.toPrecision(2)) : Math.round(value))
  if (seconds < 90) return `${shown(Math.max(1, Math.round(seconds)))} s`
  if (seconds < 5400) return `${shown(seconds / 60)} min`
  return seconds < 172_800 ? `${shown(seconds / 3600)} h` : `${shown(seconds / 86_400)} days`
}

const MEASURED_MS = 1000
/** A first call compiles and allocates; one that takes so long is the measurement all the same. */
const LONG_MS = 10_000

/** Opens the model, trains and samples for about a second each, and lets it go. Nothing is written. */
export async function measure(
  backend: Backend,
  source: ModelSource,
  open: OpenOptions,
  groups: readonly TokenGroup[],
  seed: number,
): Promise<Rates> {
  const policy = await backend.open(source, open)
  try {
    const { trained, step } = await trainingRates(policy, groups)
    return { trained, step, sampled: await samplingRate(policy, groups, seed) }
  } finally {
    await policy.dispose()
  }
}

async function trainingRates(policy: Policy, groups: readonly TokenGroup[]): Promise<Pick<Rates, 'trained' | 'step'>> {
  const pass = (some: readonly TokenGroup[]) =>
    policy.forwardBackward(some, (batch) => ({
      loss: 0,
      // Too small to matter, and not zero, which would need no backward pass.
      cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => 1e-6)),
    }))
  const timed = async <T>(work: () => Promise<T>): Promise<readonly [T, number]> => {
    const started = performance.now()
    return [await work(), performance.now() - started]
  }
  const [first, took] = await timed(() => pass(groups.slice(0, 1)))
  let [tokens, ms] = took > LONG_MS ? [first.computedTokens, took] : [0, 0]
  while (ms < MEASURED_MS) {
    const [report, more] = await timed(() => pass(groups))
    tokens += report.computedTokens
    ms += more
  }
  const [, step] = await timed(() => policy.optimStep({ learningRate: 0, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }))
  return { trained: (1000 * tokens) / ms, step: step / 1000 }
}

async function samplingRate(policy: Policy, groups: readonly TokenGroup[], seed: number): Promise<number> {
  const run = async (count: number, maxNewTokens: number): Promise<readonly [number, number]> => {
    const prompts = groups.slice(0, count).map(({ id, prompt }) => ({ id, prompt, candidates: [0, 1, 2, 3] }))
    const started = performance.now()
    let tokens = 0
    for await (const generation of policy.generate(prompts, { seed, temperature: 1, maxNewTokens })) tokens += generation.tokens.length
    return [tokens, performance.now() - started]
  }
  const [few, took] = await run(1, 4)
  if (took > LONG_MS) return (1000 * few) / took
  let [tokens, ms, rounds] = [0, 0, 0]
  while (ms < MEASURED_MS && rounds++ < 50) {
    const [more, time] = await run(groups.length, took > MEASURED_MS / 4 ? 8 : 24)
    tokens += more
    ms += time
  }
  return (1000 * tokens) / ms
}
