import { createRegistry, lossAndGradient, type AlignmentLoss, type GroupNumbers } from '@plumbline/core'
import { changed, mapped, typicalGroups } from './groups'
import { groupCheck, wholeCheck } from './loss-check'
import { near } from './numeric'

export const declaredChecks = [
  wholeCheck({
    id: 'loss/manifest-is-consistent',
    contract:
      'the manifest has a name, a paper (which may be empty), a known feedback, unit and constraint, the constraint among those offered, a beta with the boundary, and `units` where sequences are counted; every instance says the same.',
    problem({ factory }) {
      const loss = factory()
      const { name, paper, feedback, unit, constraint, constraints, beta, needsReference } = loss.manifest
      if (!/^[a-z0-9][a-z0-9-]*$/i.test(name))
        return `The name "${name}" cannot be written in a config; letters, digits and dashes were expected.`
      if (typeof paper !== 'string') return `paper is ${String(paper)}; a reference was expected, or an empty text.`
      if (!['binary', 'ranked', 'either'].includes(feedback)) return `feedback is "${feedback}".`
      if (!['question', 'sequence'].includes(unit)) return `unit is "${unit}".`
      if (typeof needsReference !== 'boolean') return `needsReference is ${String(needsReference)}.`
      if (!constraints.includes(constraint)) return `constraint is "${constraint}", but only ${constraints.join(', ')} are offered.`
      if (constraint === 'boundary' && !(beta! >= 0)) return `constraint is "boundary", but beta is ${String(beta)}.`
      if (unit === 'sequence' && !loss.units) return 'unit is "sequence", but there is no `units` to count them.'
      return JSON.stringify(loss.manifest) === JSON.stringify(factory().manifest)
        ? undefined
        : 'Two instances of one factory have different manifests.'
    },
  }),

  groupCheck({
    id: 'loss/reference-is-declared',
    contract:
      'a loss reads the reference policy’s log-probabilities if and only if `needsReference` says so, and the divergence from it if and only if `needsDivergence` does.',
    groups: (loss) => (loss.manifest.needsReference ? typicalGroups(loss).slice(0, 1) : typicalGroups(loss)),
    problem(loss, group) {
      const near = { ...group, divergence: 0 }
      const far = { ...group, divergence: 1.5 }
      const [there, here] = [near, far].map((it) => lossAndGradient(loss, it).loss)
      const asks = loss.manifest.needsDivergence === true
      if (!asks && there !== here)
        return `Another divergence changes the loss from ${there} to ${here}, although the manifest does not ask for one.`
      if (asks && there === here) return 'Another divergence makes no difference, although the manifest asks for it.'
      const shifted = mapped(group, ({ referenceLogProb }, c) => ({ referenceLogProb: referenceLogProb - 3 * (c + 1) }))
      const [before, after] = [group, shifted].map((it) => lossAndGradient(loss, it).loss)
      if (loss.manifest.needsReference) {
        return before === after && group.k > 1 && compares(loss, group)
          ? 'Another reference makes no difference, although the manifest asks for it.'
          : undefined
      }
      if (before !== after)
        return `Another reference changes the loss from ${before} to ${after}, although the manifest does not ask for one.`
      const without = lossAndGradient(loss, { ...group, referenceLogProbs: undefined, divergence: undefined }).loss
      return before === without ? undefined : `Without a reference the loss is ${without} instead of ${before}.`
    },
  }),

  groupCheck({
    id: 'loss/needed-covers-what-is-read',
    contract: 'what `needed` leaves out is never computed: its log-probability makes no difference and gets no gradient.',
    skip: (loss) => (loss.needed ? undefined : 'reads every candidate'),
    problem(loss, group) {
      const needed = loss.needed!(group)
      if (needed.length !== group.k) return `needed has ${needed.length} entries for ${group.k} candidates.`
      const here = lossAndGradient(loss, group)
      for (let c = 0; c < group.k; c++) {
        if (needed[c]) continue
        if (here.gradient[c] !== 0) return `Candidate ${c} is not needed, but has the gradient ${here.gradient[c]}.`
        const there = lossAndGradient(
          loss,
          changed(group, c, () => ({ logProb: 0, referenceLogProb: 0 })),
        ).loss
        if (there !== here.loss)
          return `Candidate ${c} is not needed, but without its log-probability the loss is ${there} instead of ${here.loss}.`
      }
      return undefined
    },
  }),

  groupCheck({
    id: 'loss/feedback-is-declared',
    contract:
      'a loss of binary feedback does not read the rewards; one of ranked feedback, or of either, does not read right and wrong beside its pairs and rewards.',
    problem(loss, group) {
      const binary = loss.manifest.feedback === 'binary'
      const other = mapped(group, ({ positive, reward }, c) => (binary ? { reward: reward * 7 - c } : { positive: !positive }))
      const [before, after] = [group, other].map((it) => lossAndGradient(loss, it).loss)
      if (near(before!, after!, 1e-6)) return undefined
      return `With other ${binary ? 'rewards' : 'right and wrong'} the loss is ${after} instead of ${before}.`
    },
  }),

  groupCheck({
    id: 'loss/metrics-are-finite',
    contract:
      'metrics are finite numbers, also for a group with nothing to compare; which there are follows from the labels, not the scores.',
    skip: (loss) => (loss.metrics ? undefined : 'has no metrics'),
    groups: (loss) => typicalGroups(loss).flatMap((group) => [group, mapped(group, () => ({ positive: false, reward: 0 }))]),
    problem(loss, { logProbs, referenceLogProbs, ...labels }) {
      const at = (l: readonly number[]) =>
        loss.metrics!({ ...labels, logProbs: l, referenceLogProbs, scores: l.map((value, c) => value / labels.lengths[c]!) })
      const figures = at(logProbs)
      const wrong = Object.entries(figures).find(([, value]) => !Number.isFinite(value))
      if (wrong) return `The metric "${wrong[0]}" is ${wrong[1]}.`
      const names = (of: object) => Object.keys(of).sort().join(', ') || 'none'
      const others = names(at([...logProbs].sort((a, b) => a - b).map((l, c) => l - c)))
      return others === names(figures) ? undefined : `The metrics are ${names(figures)}, and with other scores ${others}.`
    },
  }),

  wholeCheck({
    id: 'loss/options-are-strict',
    contract:
      'the plugin registers the loss under its manifest’s name, with an options schema that lets no unknown key through, and makes it from the options.',
    skip: ({ plugin }) => (plugin ? undefined : 'no plugin was given'),
    problem({ factory, plugin }) {
      const { name } = factory().manifest
      const { factory: registered } = createRegistry([plugin!]).find('loss', name)
      const options = registered.options.safeParse({ 'no such option': true })
      return options.success && 'no such option' in Object(options.data) ? 'The schema lets the key "no such option" through.' : undefined
    },
  }),
]

function compares({ manifest }: AlignmentLoss, { positive, rewards }: GroupNumbers): boolean {
  return new Set<unknown>(manifest.feedback === 'binary' ? positive : rewards).size > 1
}
