import { randomStreams } from '../util/random'
import { studentCdf, studentQuantile } from './student'

export interface OverSeedsOptions {
  /** Bootstrap samples; 2,000 when absent, which leaves 1.6 % of chance in the standard error. */
  readonly resamples?: number
  /** Seed of the bootstrap; 0 when absent. */
  readonly seed?: number
}

/** A mean difference over seeds, and how sure it is. */
export interface OverSeeds {
  /** Mean over seeds of the mean over questions; every seed counts once. */
  readonly difference: number
  /** Of each seed, the mean over its questions. */
  readonly seeds: readonly number[]
  /** Of the bootstrap. */
  readonly standardError: number
  /** Of Student's t. */
  readonly degrees: number
  /** 95 %. */
  readonly interval: readonly [number, number]
  /** Two-sided, of the hypothesis that there is no difference. */
  readonly pValue: number
  /** What the interval covers: with one seed, nothing is known of others. */
  readonly covers: 'questions and seeds' | 'questions'
  /** Cohen's d over seeds: the difference divided by the standard deviation of the seeds' means; absent with one seed or without spread. */
  readonly effectSize?: number
}

/**
 * The mean of paired differences over seeds, by a hierarchical bootstrap: seeds are drawn with replacement, and within each drawn seed its
 * questions. Each seed has its own training run and its own test questions.
 *
 * The mean of a seed holds its questions' noise already, and resampling the questions adds it again. So the seeds' means are first
 * drawn in towards their mean, until their variance is that which questions do not explain: V_b − w̄, or zero (Davison and Hinkley,
 * Bootstrap Methods, 1997, section 3.8); both levels are widened by √(n/(n − 1)). The squared standard error then tends to
 * max(V_b, w̄)/S, where V_b is the variance of the S seeds' means and w̄ the mean over seeds of a mean's variance over questions. The
 * interval is Student's t with S − 1 degrees of freedom: where seeds differ by more than questions explain it is the t interval of
 * the seeds' means, and it is never narrower than that. With one seed it is that of its questions.
 *
 * @param seeds of each seed, a difference per question
 */
export function differenceOverSeeds(
  seeds: readonly (readonly number[])[],
  { resamples = 2000, seed = 0 }: OverSeedsOptions = {},
): OverSeeds {
  const few = seeds.findIndex(({ length }) => length < 2)
  if (seeds.length === 0 || few >= 0) {
    throw new RangeError(seeds.length === 0 ? 'no seed to take a mean over' : `seed ${few} has fewer than two questions`)
  }
  const means = seeds.map(mean)
  const difference = mean(means)
  const standardError = bootstrapError(seeds, means, difference, resamples, randomStreams(seed)('bootstrap over seeds'))
  const degrees = seeds.length === 1 ? seeds[0]!.length - 1 : seeds.length - 1
  const half = studentQuantile(degrees) * standardError
  const spread = seeds.length > 1 ? Math.sqrt(variance(means)) : 0
  return {
    difference,
    seeds: means,
    standardError,
    degrees,
    interval: [difference - half, difference + half],
    pValue: pValueOf(difference, standardError, degrees),
    covers: seeds.length === 1 ? 'questions' : 'questions and seeds',
    ...(spread > 0 ? { effectSize: difference / spread } : {}),
  }
}

/** How two models' right and wrong answers to the same questions differ, and the odds that a changed one is right under the first. */
export interface Changed {
  readonly onlyFirst: number
  readonly onlySecond: number
  /** (onlyFirst + ½) / (onlySecond + ½): McNemar's odds ratio, with Haldane's correction. */
  readonly oddsRatio: number
}

/** @param differences 1 where the first alone is right, −1 where the second alone is, 0 otherwise */
export function changedAnswers(differences: Iterable<number>): Changed {
  let [onlyFirst, onlySecond] = [0, 0]
  for (const d of differences) {
    if (d > 0) onlyFirst++
    if (d < 0) onlySecond++
  }
  return { onlyFirst, onlySecond, oddsRatio: (onlyFirst + 0.5) / (onlySecond + 0.5) }
}

function bootstrapError(
  seeds: readonly (readonly number[])[],
  means: readonly number[],
  difference: number,
  resamples: number,
  unit: () => number,
): number {
  const count = seeds.length
  const ofQuestions = mean(seeds.map((own) => variance(own) / own.length))
  const ofSeeds = count === 1 ? 0 : variance(means)
  const left = ofSeeds > ofQuestions ? Math.sqrt(((1 - ofQuestions / ofSeeds) * count) / (count - 1)) : 0
  let [sum, squares] = [0, 0]
  for (let r = 0; r < resamples; r++) {
    let deviation = 0
    for (let s = 0; s < count; s++) {
      const chosen = Math.floor(unit() * count)
      const own = seeds[chosen]!
      let total = 0
      for (let q = 0; q < own.length; q++) total += own[Math.floor(unit() * own.length)]!
      const within = (total / own.length - means[chosen]!) * Math.sqrt(own.length / (own.length - 1))
      deviation += left * (means[chosen]! - difference) + within
    }
    sum += deviation / count
    squares += (deviation / count) ** 2
  }
  return Math.sqrt(Math.max(0, squares / resamples - (sum / resamples) ** 2))
}

function pValueOf(difference: number, standardError: number, degrees: number): number {
  if (standardError === 0) return difference === 0 ? 1 : 0
  return 2 * studentCdf(-Math.abs(difference) / standardError, degrees)
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

function variance(values: readonly number[]): number {
  const centre = mean(values)
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1)
}
