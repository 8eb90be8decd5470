import { z } from 'zod'
import type { Constraint } from '../seams/loss'

/** The constraints in the order the documentation lists them. */
export const CONSTRAINTS: readonly Constraint[] = ['none', 'detached', 'boundary']

/**
 * The options every constrained loss shares, to be spread into its schema:
 * `z.strictObject({ ...constraintOptions('boundary'), … })`.
 */
export function constraintOptions(byDefault: Constraint) {
  return {
    /** What keeps the worse candidates within reach. */
    constraint: z.enum(['none', 'detached', 'boundary']).default(byDefault),
    /** β, nats per token: how far below the worst better candidate a worse one may fall. Only read with `boundary`. */
    beta: z.number().nonnegative().default(0.15),
    /** Whether B carries a gradient. Only read with `boundary`. */
    boundaryGradient: z.enum(['stop', 'flow']).default('stop'),
  }
}

/** The boundary's margin where none is given, nats per token. */
export const BOUNDARY_MARGIN = 0.15

/**
 * {@link constraintOptions} for a loss whose own parameter is called β in its paper and in other tools: there `beta` is the boundary's
 * margin too, and is refused without a boundary ({@link onlyWithBoundary}), where it would be read as the other or not at all.
 */
export function marginOptions(byDefault: Constraint) {
  return { ...constraintOptions(byDefault), beta: z.number().nonnegative().optional() }
}

/** For `superRefine`: refuses a `beta` that nothing would read. `own` says which option was meant, e.g. `DPO’s own β is dpoBeta`. */
export function onlyWithBoundary(own: string) {
  return ({ constraint, beta }: { readonly constraint: Constraint; readonly beta?: number }, context: z.RefinementCtx): void => {
    if (beta === undefined || constraint === 'boundary') return
    context.addIssue({
      code: 'custom',
      path: ['beta'],
      message: `is the margin of constraint "boundary" and is not read here; ${own}`,
    })
  }
}
