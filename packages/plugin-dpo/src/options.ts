import { marginOptions, onlyWithBoundary, pairingOption } from '@plumbline/core'
import { z } from 'zod'

export const dpoOptions = z
  .strictObject({
    /** `beta` is the boundary's margin, nats per token of the worse candidate; 0.15 when absent. DPO's own β is `dpoBeta`. */
    ...marginOptions('none'),
    /** β_d: how strongly the policy is held to the reference. In the IPO form it is τ, per token. */
    dpoBeta: z.number().positive().default(0.1),
    ...pairingOption(),
    /** The function of a pair's reward margin, named as TRL's `loss_type`. */
    lossType: z.enum(['sigmoid', 'robust', 'hinge', 'ipo']).default('sigmoid'),
    /** ε: the probability that a label is the wrong way round. Only read by `sigmoid` (cDPO) and `robust`. */
    labelSmoothing: z.number().min(0).lt(0.5).default(0),
  })
  // in DPO's papers and in TRL this name means something else: better refused than ignored
  .superRefine(onlyWithBoundary('DPO’s own β is dpoBeta'))
  .superRefine(({ constraint, lossType, labelSmoothing }, context) => {
    const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    if (labelSmoothing > 0 && (lossType === 'hinge' || lossType === 'ipo'))
      refuse('labelSmoothing', `is not read with lossType "${lossType}"; it belongs to "sigmoid" and "robust"`)
    if (constraint !== 'boundary') return
    if (lossType === 'ipo')
      refuse('constraint', 'cannot be "boundary" with lossType "ipo": its own target margin already holds the worse candidate')
    // a smoothed label pulls the worse candidate up everywhere, so no B is left at which the sign changes
    if (labelSmoothing > 0 || lossType === 'robust') refuse('constraint', 'cannot be "boundary" together with label smoothing')
  })

export type DpoOptions = z.output<typeof dpoOptions>
