import { lossAndGradient, recordConstants, withConstants, type AlignmentLoss, type GroupNumbers } from '@plumbline/core'
import { changed } from './groups'
import { groupCheck } from './loss-check'
import { slopeAtZero } from './numeric'

const FLOAT32 = 2 ** -23
/** Of the slope. float32 leaves about 1e-5 of an extrapolated difference, and 1e-4 of a plain one. */
const TOLERANCE = 1e-4

export const gradientChecks = [
  groupCheck({
    id: 'loss/returns-a-finite-scalar',
    contract: 'loss returns one finite number, as a scalar tensor, and its gradient is finite.',
    problem(loss, group) {
      const { loss: value, gradient } = lossAndGradient(loss, group)
      if (!Number.isFinite(value)) return `The loss is ${value}.`
      const at = gradient.findIndex((g) => !Number.isFinite(g))
      return at < 0 ? undefined : `The gradient of candidate ${at} is ${gradient[at]}.`
    },
  }),

  groupCheck({
    id: 'loss/gradient-matches-finite-differences',
    contract:
      'the gradient that tfjs computes is the slope of the loss; where a gradient is stopped on purpose, core’s detach or boundary does it, so that the stopped value can be held.',
    problem(loss, group) {
      const { result, constants } = recordConstants(() => lossAndGradient(loss, group))
      // per nat per token, so that long candidates count as much as short ones
      const perToken = result.gradient.map((g, c) => g * group.lengths[c]!)
      const scale = Math.max(...perToken.map(Math.abs))
      for (let c = 0; c < group.k; c++) {
        const n = group.lengths[c]!
        // one unit in the last place of the loss, and of the score it is moved by
        const resolution = FLOAT32 * Math.max(Math.abs(result.loss), Math.abs((group.logProbs[c]! / n) * perToken[c]!))
        const along = (x: number) => withConstants(constants, () => lossAndGradient(loss, moved(group, c, x * n)).loss)
        const slope = slopeAtZero(along, firstStep(loss, group, n), resolution)
        const size = Math.max(Math.abs(slope.value), Math.abs(perToken[c]!), 0.02 * scale, 1e-3)
        if (slope.bend > 0.03 * size) continue // a kink right here: no slope to compare with
        const wrong = ({ value, error }: { value: number; error: number }, tolerance: number) =>
          Math.abs(value - perToken[c]!) > tolerance * size + 3 * error
        // both must say so: a kink within the larger steps leads the extrapolation astray, and not the smallest one
        if (wrong(slope, TOLERANCE) && wrong(slope.finest, 10 * TOLERANCE)) {
          return `Per nat per token of candidate ${c} the gradient says ${show(perToken[c]!)}, the loss itself changes by ${show(slope.value)} (± ${show(slope.error)}).`
        }
      }
      return undefined
    },
  }),
]

function moved(group: GroupNumbers, at: number, by: number): GroupNumbers {
  return changed(group, at, ({ logProb }) => ({ logProb: logProb + by }))
}

/** In nats per token: a tenth of what separates the scores; a loss of summed log-probabilities bends within a few nats of the sum. */
function firstStep({ manifest }: AlignmentLoss, { logProbs, lengths }: GroupNumbers, length: number): number {
  if (manifest.needsReference) return 2 / length
  const scores = logProbs.map((l, c) => l / lengths[c]!)
  return Math.min(0.2, Math.max(0.03, 0.1 * (Math.max(...scores) - Math.min(...scores))))
}

const show = (value: number) => String(Number(value.toPrecision(4)))
