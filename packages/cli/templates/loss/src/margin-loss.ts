import type { AlignmentLoss, GroupLabels, GroupScores, LossManifest, ScoredGroup } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'

/** The options as they stand in a configuration: strict, so that a misspelt one is an error. */
export const marginOptions = z.strictObject({
  margin: z.number().min(0).default(0.1).describe('How far a right candidate should be ahead of a wrong one, nats per token.'),
})

/**
 * Every better candidate should score at least `margin` above every worse one: Σ max(0, s_worse − s_better + margin) over the pairs.
 *
 * Shapes: scores [k], pairs [pairs]. Unit: nats per token.
 */
export class MarginLoss implements AlignmentLoss {
  /** What the trainer must prepare, and which checks apply. */
  readonly manifest: LossManifest = {
    name: 'template-name',
    feedback: 'either',
    needsReference: false,
    unit: 'question',
    constraint: 'none',
    constraints: ['none'],
    paper: '',
  }

  constructor(private readonly options: z.output<typeof marginOptions> = marginOptions.parse({})) {}

  /** The loss of one question: no mean over questions, no weight. Without a pair the sum is 0. */
  loss({ scores, pairs }: ScoredGroup): tf.Scalar {
    const behind = pairs.worse(scores).sub(pairs.better(scores)) // s_worse − s_better, [pairs]
    return tf.relu(behind.add(this.options.margin)).sum()
  }

  /** Candidates that stand in no pair are never scored. */
  needed({ k, rewards }: GroupLabels): readonly boolean[] {
    const isMixed = new Set(rewards).size > 1
    return Array.from({ length: k }, () => isMixed)
  }

  /** Logged as `template-name/agrees`: the share of questions whose highest score is one of the best candidates'. */
  metrics({ scores, rewards }: GroupScores): Readonly<Record<string, number>> {
    if (new Set(rewards).size < 2) return {}
    const best = scores.indexOf(Math.max(...scores))
    return { agrees: rewards[best] === Math.max(...rewards) ? 1 : 0 }
  }
}
