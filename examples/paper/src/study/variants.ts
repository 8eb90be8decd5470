import type { Settings } from './settings'

/** A variant of `align`, as a configuration has it. */
export interface Variant {
  readonly name: string
  readonly losses: readonly (Readonly<Record<string, unknown>> & { readonly loss: string })[]
  readonly steps: number
  /** `constant` where several numbers of steps are to be points of one training. */
  readonly schedule?: 'constant'
}

const LIKELIHOOD = { loss: 'sft' } as const

type Constraint = 'none' | 'detached' | 'boundary'

/** The variants of the study, each the same wherever it is used: what is done for one claim is there for the next. */
export function variantsOf({ alignSteps: steps, beta }: Settings) {
  const bounded = (constraint: Constraint, margin = beta) => (constraint === 'boundary' ? { constraint, beta: margin } : { constraint })
  const made = (name: string, ...losses: Variant['losses']): Variant => ({ name, losses: [LIKELIHOOD, ...losses], steps })
  return {
    /** As many further steps of stage 1: what alignment must be compared with. */
    control: made('control'),
    aft: (constraint: Constraint) => made(constraint, { loss: 'ca', ...bounded(constraint) }),
    withBeta: (margin: number) => made(`beta-${margin}`, { loss: 'ca', ...bounded('boundary', margin) }),
    rft: made('rft', { loss: 'rft' }),
    /** Losses on ranked feedback, each as its own paper has it, or with the boundary constraint. */
    ranked: (loss: 'ca' | 'rrhf' | 'pro' | 'dpo', constraint: 'none' | 'boundary') =>
      made(constraint === 'none' ? loss : `${loss}-boundary`, { loss, ...bounded(constraint) }),
    /** The loss of examples/third-party-loss. */
    margin: made('margin', { loss: 'margin', margin: 0.1 }),
    after: (variant: Variant, count: number): Variant => ({
      ...variant,
      name: `${variant.name}-${count}`,
      steps: count,
      schedule: 'constant',
    }),
    longer: (variant: Variant): Variant => ({ ...variant, name: `${variant.name}-twice`, steps: 2 * variant.steps }),
  }
}
