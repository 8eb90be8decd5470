import {
  boundary,
  definePlugin,
  detach,
  logOnePlusSumExp,
  Pairs,
  type GroupPairs,
  type AlignmentLoss,
  type LossManifest,
  type Plugin,
  type ScoredGroup,
} from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

/** A loss with one thing wrong, and the check that must say so. */
export interface PlantedLoss {
  readonly name: string
  /** What is wrong, in a few words. */
  readonly defect: string
  readonly caughtBy: string
  readonly factory: () => AlignmentLoss
  readonly plugin?: Plugin
}

const sound: LossManifest = {
  name: 'planted',
  feedback: 'either',
  needsReference: false,
  unit: 'question',
  constraint: 'none',
  constraints: ['none', 'detached', 'boundary'],
  beta: 0.15,
  paper: 'arXiv:2309.02144',
}

/** Eq. 6 of AFT, the sound loss that every defect is planted in. */
const pairwise = ({ scores, pairs }: Pick<ScoredGroup, 'scores' | 'pairs'>): tf.Scalar => logOnePlusSumExp(margins(scores, pairs))

/** s_j − s_i, [pairs]. */
const margins = (scores: tf.Tensor1D, pairs: GroupPairs): tf.Tensor1D => pairs.worse(scores).sub(pairs.better(scores))

function planted(
  caughtBy: string,
  name: string,
  defect: string,
  loss: (group: ScoredGroup) => unknown,
  parts: Partial<LossManifest & AlignmentLoss> = {},
): PlantedLoss {
  const { needed, units, metrics, ...manifest } = parts
  return {
    name,
    defect,
    caughtBy,
    factory: () => ({ manifest: { ...sound, ...manifest }, loss: loss as AlignmentLoss['loss'], needed, units, metrics }),
  }
}

/** The gradient of x, changed by `wrong`; the value stays. */
function withGradient(x: tf.Tensor1D, wrong: (dy: tf.Tensor) => tf.Tensor): tf.Tensor1D {
  return tf.customGrad((t) => ({ value: tf.clone(t as tf.Tensor), gradFunc: (dy) => wrong(dy) }))(x) as tf.Tensor1D
}

const gradient = 'loss/gradient-matches-finite-differences'
const unpadded = 'loss/only-unpadded-tokens-count'

/** Broken losses, each small enough to see what is wrong with it. */
export const plantedLosses: readonly PlantedLoss[] = [
  planted('loss/manifest-is-consistent', 'undeclared-constraint', 'runs under a constraint it does not offer', pairwise, {
    constraint: 'detached',
    constraints: ['none'],
  }),

  planted('loss/returns-a-finite-scalar', 'not-reduced', 'returns one value per pair', ({ scores, pairs }) =>
    tf.softplus(margins(scores, pairs)),
  ),

  planted(gradient, 'gradient-too-large', 'gradient 1 % too large', ({ scores, pairs }) =>
    pairwise({ scores: withGradient(scores, (dy) => dy.mul(1.01)), pairs }),
  ),
  planted(gradient, 'gradient-misses-one', 'the last candidate gets no gradient', ({ scores, pairs, k }) =>
    pairwise({
      scores: withGradient(scores, (dy) => dy.mul(tf.tensor1d(Array.from({ length: k }, (_, c) => Number(c < k - 1 || k < 2))))),
      pairs,
    }),
  ),
  planted(gradient, 'gradient-shifted', 'gradients arrive one candidate too late', ({ scores, pairs, k }) =>
    pairwise({
      scores: withGradient(scores, (dy) =>
        tf.gather(
          dy as tf.Tensor1D,
          tf.tensor1d(
            Array.from({ length: k }, (_, c) => (c + k - 1) % k),
            'int32',
          ),
        ),
      ),
      pairs,
    }),
  ),

  planted('loss/order-of-candidates-does-not-matter', 'order-dependent', 'the first candidate counts twice', ({ scores, pairs, k }) =>
    pairwise({ scores: scores.mul(tf.tensor1d(Array.from({ length: k }, (_, c) => (c === 0 ? 2 : 1)))), pairs }),
  ),

  planted(unpadded, 'padding-counted', 'divides by the longest candidate’s length', ({ logProbs, lengths, pairs }) =>
    pairwise({ scores: logProbs.div(Math.max(...lengths)), pairs }),
  ),
  planted(unpadded, 'mask-off-by-one', 'counts one token too many', ({ logProbs, lengths, pairs }) =>
    pairwise({ scores: logProbs.div(tf.tensor1d(lengths.map((n) => n + 1))), pairs }),
  ),
  planted(unpadded, 'sum-instead-of-mean', 'compares log-probabilities of whole completions', ({ logProbs, pairs }) =>
    pairwise({ scores: logProbs, pairs }),
  ),

  planted(
    'loss/scales-with-its-unit',
    'wrong-normaliser',
    'averages inside, over the sequences it then declares',
    ({ scores, positive }) => likelihood(scores, positive).div(Math.max(1, count(positive))),
    {
      feedback: 'binary',
      unit: 'sequence',
      units: ({ positive }) => count(positive),
      needed: ({ positive }) => positive,
    },
  ),
  planted(
    'loss/scales-with-its-unit',
    'counts-wrong-sequences',
    'counts every candidate as a unit, and sums over the right ones',
    ({ scores, positive }) => likelihood(scores, positive),
    {
      feedback: 'binary',
      unit: 'sequence',
      units: ({ k }) => k,
      needed: ({ positive }) => positive,
    },
  ),

  planted('loss/splitting-a-batch-changes-nothing', 'running-baseline', 'weighs a group by how many it has seen', runningBaseline()),

  planted('loss/nothing-to-compare-is-zero', 'nan-on-empty', 'averages over no pairs', ({ scores, pairs }) =>
    tf.sum(tf.softplus(margins(scores, pairs))).div(pairs.count),
  ),

  planted('loss/ties-give-no-pair', 'ties-compared', 'of two equals the earlier counts as better', ({ scores, rewards, k }) =>
    pairwise({
      scores,
      pairs: Pairs.of(
        k,
        rewards.flatMap((r_i, i) => rewards.flatMap((r_j, j) => (r_i > r_j || (r_i === r_j && i < j) ? [[i, j] as const] : []))),
      ),
    }),
  ),

  planted('loss/extreme-scores-stay-finite', 'naive-exponentials', 'exponentiates before it sums', ({ scores, pairs }) =>
    tf.log(tf.add(1, tf.sum(tf.exp(margins(scores, pairs))))),
  ),

  planted('loss/prefers-the-better', 'wrong-way-round', 'raises the worse candidates', ({ scores, pairs }) =>
    logOnePlusSumExp(margins(scores, pairs).neg()),
  ),

  planted(
    'loss/reference-is-declared',
    'undeclared-reference',
    'reads the reference where there happens to be one',
    ({ scores, referenceLogProbs, logProbs, pairs }) =>
      pairwise({ scores: referenceLogProbs ? logProbs.sub(referenceLogProbs) : scores, pairs }),
  ),
  planted(
    'loss/reference-is-declared',
    'undeclared-ratios',
    'reads the log-ratios where there happen to be any',
    ({ scores, logRatios, pairs }) => pairwise({ scores: logRatios ?? scores, pairs }),
  ),
  planted(
    'loss/reference-is-declared',
    'undeclared-divergence',
    'reads how far the policy has moved where that happens to be there',
    ({ scores, pairs, divergence = 0 }) => pairwise({ scores, pairs }).mul(1 + divergence),
  ),

  planted(
    'loss/needed-covers-what-is-read',
    'reads-what-it-does-not-need',
    'says that it needs the best and the worst only, and reads all',
    pairwise,
    {
      needed: ({ rewards }) => rewards.map((r) => r === Math.max(...rewards) || r === Math.min(...rewards)),
    },
  ),

  planted(
    'loss/feedback-is-declared',
    'reads-rewards',
    'declares binary feedback and weighs by the rewards',
    ({ scores, pairs, rewards }) => pairwise({ scores, pairs }).mul(1 + Math.abs(rewards[0]!)),
    {
      feedback: 'binary',
    },
  ),

  planted('loss/metrics-are-finite', 'metrics-by-score', 'it reports a metric only where a score is above another', pairwise, {
    metrics: ({ scores }): Readonly<Record<string, number>> => (scores[0]! > scores[scores.length - 1]! ? { ahead: 1 } : {}),
  }),
  planted('loss/metrics-are-finite', 'nan-metrics', 'its metric divides by the number of right candidates', pairwise, {
    metrics: ({ scores, positive }) => ({ score: scores.reduce((sum, s, c) => sum + (positive[c] ? s : 0), 0) / count(positive) }),
  }),

  {
    ...planted('loss/options-are-strict', 'loose-options', 'takes any option without a word', pairwise),
    plugin: definePlugin({
      name: 'planted',
      apiVersion: 1,
      register: (registry) =>
        registry.loss('planted', { options: z.looseObject({}), create: () => planted('', '', '', pairwise).factory() }),
    }),
  },

  planted('loss/is-deterministic', 'hidden-randomness', 'adds noise', ({ scores, pairs }) =>
    pairwise({ scores, pairs }).add(1e-3 * Math.random()),
  ),

  planted('loss/leaves-its-input-alone', 'sorts-in-place', 'sorts the rewards it was given', ({ scores, pairs, rewards }) => {
    ;(rewards as number[]).sort((a, b) => b - a)
    return pairwise({ scores, pairs })
  }),

  planted('loss/leaks-no-tensor', 'leak', 'keeps a tensor of every evaluation', ({ scores, pairs }) =>
    pairwise({ scores: tf.keep(scores.add(0)), pairs }),
  ),

  planted('loss/detached-leaves-the-worse-alone', 'missing-detach', 'does not stop the gradient at the worse candidates', pairwise, {
    constraint: 'detached',
  }),

  planted(
    'loss/boundary-turns-at-b',
    'boundary-too-high',
    'forgets β',
    ({ scores, pairs }) => constrained(scores, pairs, boundary(scores, pairs, 0)),
    { constraint: 'boundary' },
  ),
  planted('loss/boundary-turns-at-b', 'boundary-missing', 'declares a boundary that is not there', pairwise, { constraint: 'boundary' }),

  planted(
    'loss/boundary-never-pushes-the-best-down',
    'live-boundary',
    'lets the gradient into B',
    ({ scores, pairs }) => constrained(scores, pairs, boundary(scores, pairs, 0.15, { gradient: 'flow' })),
    {
      constraint: 'boundary',
    },
  ),
]

/** Sound losses in the same form: what the suite must let pass. */
export const soundLosses: readonly (() => AlignmentLoss)[] = [
  planted('', 'sound', '', pairwise).factory,
  planted('', 'sound', '', pairwise, { feedback: 'binary' }).factory,
  planted('', 'sound', '', pairwise, { feedback: 'ranked' }).factory,
  planted('', 'sound', '', ({ scores, pairs }) => logOnePlusSumExp(detach(pairs.worse(scores)).sub(pairs.better(scores))), {
    constraint: 'detached',
  }).factory,
  planted('', 'sound', '', ({ scores, pairs }) => constrained(scores, pairs, boundary(scores, pairs, 0.15)), { constraint: 'boundary' })
    .factory,
]

/** Eq. 8 of AFT with a boundary B, [pairs]. */
function constrained(scores: tf.Tensor1D, pairs: GroupPairs, B: tf.Tensor1D): tf.Scalar {
  return logOnePlusSumExp(margins(scores, pairs), B.mul(2).sub(pairs.better(scores)).sub(pairs.worse(scores)))
}

/** −Σ s_p over the right candidates. */
function likelihood(scores: tf.Tensor1D, positive: readonly boolean[]): tf.Scalar {
  return tf.sum(scores.mul(tf.tensor1d(positive.map((isRight) => (isRight ? -1 : 0)))))
}

function runningBaseline() {
  let seen = 0
  return ({ scores, pairs }: ScoredGroup) => pairwise({ scores, pairs }).mul(1 + 0.1 * seen++)
}

const count = (flags: readonly boolean[]) => flags.filter(Boolean).length
