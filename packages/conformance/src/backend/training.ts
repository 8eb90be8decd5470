import { isPlumbError, type Objective, type Policy, type TokenGroup } from '@plumbline/core'
import { adam, allLogProbs, backendCheck, descent, differ, mixed, rejection, sum, weightedSum } from './bench'

const TINY = 1e-3

export const trainingChecks = [
  backendCheck(
    'backend/gradient-matches-finite-differences',
    'The accumulated gradient is that of the objective: a small step against it, and one along it, change the loss by the step times the squared gradient norm.',
    async ({ policy, groups, folder }) => {
      const perToken: Objective = (batch) => {
        const weight = (g: number, c: number, t: number) => mixed(g, c) * [1, -0.6, 2, 0.3, -1.4][t % 5]!
        const loss = sum(
          batch.flatMap(({ index, tokenLogProbs }) =>
            tokenLogProbs.map((logProbs, c) => sum(logProbs!.map((l, t) => weight(index, c, t) * l))),
          ),
        )
        return {
          loss,
          cotangents: batch.map(({ index, tokenLogProbs }) =>
            tokenLogProbs.map((logProbs, c) => logProbs!.map((_, t) => weight(index, c, t))),
          ),
        }
      }
      for (const [name, objective] of [
        ['one number per completion', weightedSum(mixed)],
        ['one number per token', perToken],
      ] as const) {
        const found = await slopeProblem(policy, groups, objective, await folder())
        if (found !== undefined) return `With cotangents of ${name}: ${found}`
      }
      return undefined
    },
  ),

  backendCheck(
    'backend/gradients-add-up',
    'Gradients accumulate over calls: groups given one by one lead to the step that they lead to together.',
    async ({ policy, groups, folder }) => {
      const start = await folder()
      await policy.saveState(start)
      await policy.forwardBackward(groups, weightedSum(mixed))
      const together = await step(policy, groups)
      await policy.loadState(start)
      for (const [g, group] of groups.entries())
        await policy.forwardBackward(
          [group],
          weightedSum((_, c) => mixed(g, c)),
        )
      const apart = await step(policy, groups)
      if (Math.abs(together.gradNorm - apart.gradNorm) > 1e-4 * together.gradNorm)
        return `The gradient norm is ${together.gradNorm} together and ${apart.gradNorm} one by one.`
      const found = differ(together.after, apart.after, 1e-4)
      return found && `After a step from groups given one by one, ${found}.`
    },
  ),

  backendCheck(
    'backend/reports-the-loss',
    'forwardBackward reports the sum of the objective’s losses and metrics, and how many completion tokens were scored.',
    async ({ policy, groups }) => {
      const counting: Objective = (batch) => ({ ...weightedSum(mixed)(batch), metrics: { groups: batch.length } })
      const report = await policy.forwardBackward(groups, counting)
      const scored = await policy.logProbs(groups)
      const loss = sum(scored.flatMap((group, g) => group.map((logProbs, c) => mixed(g, c) * sum(logProbs!))))
      if (Math.abs(report.loss - loss) > 1e-3 * Math.max(1, Math.abs(loss)))
        return `It reports the loss ${report.loss}; from logProbs it is ${loss}.`
      if (report.metrics.groups !== groups.length)
        return `The metric "groups" adds up to ${report.metrics.groups} over ${groups.length} groups.`
      const tokens = sum(groups.flatMap(({ completions }) => completions.map((completion) => completion.length)))
      return report.completionTokens === tokens ? undefined : `It reports ${report.completionTokens} completion tokens of ${tokens}.`
    },
  ),

  backendCheck(
    'backend/no-cotangent-no-gradient',
    'A completion whose cotangents are 0, or that is not needed, adds nothing to the gradient.',
    async ({ policy, groups, folder }) => {
      const start = await folder()
      await policy.saveState(start)
      const norms: number[] = []
      const weights = (g: number, c: number) => (c === 0 ? mixed(g, c) : 0)
      for (const asked of [
        groups.map((group) => ({ ...group, completions: group.completions.slice(0, 1) })),
        groups,
        groups.map((group) => ({ ...group, needed: group.completions.map((_, c) => c === 0) })),
      ]) {
        await policy.loadState(start)
        await policy.forwardBackward(asked, weightedSum(weights))
        norms.push((await policy.optimStep(descent(TINY))).gradNorm)
      }
      const [alone, zero, left] = norms
      if (Math.abs(zero! - alone!) > 1e-4 * alone!)
        return `Alone the first completions give the gradient norm ${alone}, beside completions of cotangent 0 ${zero}.`
      return Math.abs(left! - alone!) > 1e-4 * alone!
        ? `Alone the first completions give the gradient norm ${alone}, beside completions that are not needed ${left}.`
        : undefined
    },
  ),

  backendCheck(
    'backend/a-step-clears-the-gradients',
    'optimStep applies the accumulated gradients once: a second one finds none.',
    async ({ policy, groups }) => {
      await policy.forwardBackward(groups, weightedSum(mixed))
      const { gradNorm: first } = await policy.optimStep(descent(TINY))
      const { gradNorm: second } = await policy.optimStep(descent(TINY))
      if (!(first > 0)) return `The first step has the gradient norm ${first}.`
      return second === 0 ? undefined : `The second step has the gradient norm ${second}.`
    },
  ),

  backendCheck(
    'backend/clips-to-the-norm',
    'maxGradNorm scales the gradient down to that global L2 norm, and the reported norm is the one before.',
    async ({ policy, groups, folder }) => {
      const start = await folder()
      await policy.saveState(start)
      const objective = weightedSum(mixed)
      const { loss } = await policy.forwardBackward(groups, objective)
      const { gradNorm } = await policy.optimStep(descent(TINY))
      const whole = (await lossNow(policy, groups, objective)) - loss
      await policy.loadState(start)
      await policy.forwardBackward(groups, objective)
      const clipped = await policy.optimStep({ ...descent(TINY), maxGradNorm: gradNorm / 4 })
      if (Math.abs(clipped.gradNorm - gradNorm) > 1e-4 * gradNorm)
        return `The norm is reported as ${clipped.gradNorm} with clipping and ${gradNorm} without.`
      const ratio = ((await lossNow(policy, groups, objective)) - loss) / whole
      return Math.abs(ratio - 0.25) < 0.05
        ? undefined
        : `Clipped to a quarter of its norm, the gradient changes the loss by ${ratio} of what it does whole.`
    },
  ),

  backendCheck(
    'backend/freezes-what-it-is-told',
    'Where `inspect` names parameters, frozen ones have no part in gradient norm and step, the others have the gradient that they have without freezing, and a pattern that fits none is refused.',
    async ({ backend, model, policy, groups, open, folder }) => {
      const names = (await backend.inspect?.(model))?.parameterNames
      if (names === undefined) return undefined
      await policy.forwardBackward(groups, weightedSum(mixed))
      const whole = (await policy.optimStep(descent(0))).gradNorm ** 2
      let parts = 0
      for (const odd of [0, 1]) {
        const trainee = await open(model)
        if (!trainee.prepareTraining) return 'Its policies have no prepareTraining to freeze them with.'
        await trainee.prepareTraining({ freeze: names.filter((_, n) => n % 2 === odd) })
        // A frozen parameter that moves all the same changes the loss by more than the norm of the others explains.
        const found = await slopeProblem(trainee, groups, weightedSum(mixed), await folder())
        if (found !== undefined) return `With every other parameter frozen: ${found}`
        await trainee.forwardBackward(groups, weightedSum(mixed))
        parts += (await trainee.optimStep(descent(0))).gradNorm ** 2
      }
      if (Math.abs(parts - whole) > 2e-3 * whole)
        return `The squared gradient norms with one half frozen and with the other add up to ${parts}; without freezing it is ${whole}.`
      const error = await rejection((await open(model)).prepareTraining!({ freeze: ['no.such.*'] }))
      return isPlumbError(error) && error.code === 'PLUMB_FREEZE_UNKNOWN' ? undefined : `The pattern "no.such.*" gave ${String(error)}.`
    },
  ),

  backendCheck(
    'backend/only-a-step-changes-the-weights',
    'Scoring, gradients, sampling and saving leave the weights as they are, to the bit.',
    async ({ policy, groups, folder }) => {
      const before = await allLogProbs(policy, groups)
      await policy.forwardBackward(groups, weightedSum(mixed))
      const completions = policy.generate([{ id: 'p', prompt: groups[0]!.prompt, candidates: [0] }], {
        seed: 1,
        temperature: 1,
        maxNewTokens: 3,
      })
      const iterator = completions[Symbol.asyncIterator]()
      while ((await iterator.next()).done !== true) continue
      await policy.saveState(await folder())
      const found = differ(before, await allLogProbs(policy, groups), 0)
      return found && `Afterwards ${found}.`
    },
  ),

  backendCheck(
    'backend/refuses-a-loss-that-is-not-finite',
    'A loss that is not finite rejects with PLUMB_NON_FINITE_LOSS, drops the gradients and leaves the weights.',
    async ({ policy, groups }) => {
      await policy.forwardBackward(groups, weightedSum(mixed))
      const broken: Objective = (batch) => ({ ...weightedSum(mixed)(batch), loss: NaN })
      const error = await rejection(policy.forwardBackward(groups, broken))
      if (!isPlumbError(error) || error.code !== 'PLUMB_NON_FINITE_LOSS') return `It rejected with ${String(error)}.`
      const { gradNorm } = await policy.optimStep(descent(TINY))
      return gradNorm === 0 ? undefined : `The gradients were not dropped: their norm is ${gradNorm}.`
    },
  ),

  backendCheck(
    'backend/answers-an-abort',
    'An aborted signal rejects with its reason, in training and in sampling, and drops the accumulated gradients.',
    async ({ policy, groups }) => {
      const reason = new Error('stop here')
      const signal = AbortSignal.abort(reason)
      const training = await rejection(policy.forwardBackward(groups, weightedSum(mixed), { signal }))
      if (training !== reason) return `forwardBackward ended with ${String(training)} instead of the signal’s reason.`
      const { gradNorm } = await policy.optimStep(descent(TINY))
      if (gradNorm !== 0) return `The gradients were not dropped: their norm is ${gradNorm}.`
      const stream = policy.generate(
        [{ id: 'p', prompt: groups[0]!.prompt, candidates: [0] }],
        { seed: 1, temperature: 1, maxNewTokens: 3 },
        { signal },
      )
      const sampling = await rejection(stream[Symbol.asyncIterator]().next())
      return sampling === reason ? undefined : `generate ended with ${String(sampling)} instead of the signal’s reason.`
    },
  ),
]

export const savingChecks = [
  backendCheck(
    'backend/state-continues-bit-for-bit',
    'From a loaded state training continues to the same bits, optimizer moments included.',
    async ({ policy, groups, folder }) => {
      const train = async () => {
        for (const group of groups.slice(0, 2)) {
          await policy.forwardBackward([group], weightedSum(mixed))
          await policy.optimStep(adam)
        }
        return allLogProbs(policy, groups)
      }
      await train()
      const saved = await folder()
      await policy.saveState(saved)
      const went = await train()
      await policy.loadState(saved)
      const found = differ(went, await train(), 0)
      return found && `Continued from the saved state, ${found}.`
    },
  ),

  backendCheck(
    'backend/weights-can-be-opened-again',
    'A model opened from saved weights has their log-probabilities.',
    async ({ policy, groups, folder, open }) => {
      await policy.forwardBackward(groups, weightedSum(mixed))
      await policy.optimStep(adam)
      const saved = await folder()
      await policy.saveWeights(saved)
      const found = differ(await allLogProbs(policy, groups), await allLogProbs(await open({ kind: 'folder', path: saved }), groups), 1e-5)
      return found && `Opened again, ${found}.`
    },
  ),

  backendCheck(
    'backend/a-snapshot-is-frozen',
    'A snapshot keeps the weights it was taken at, whatever is trained afterwards.',
    async ({ policy, groups }) => {
      const before = await allLogProbs(policy, groups)
      const snapshot = await policy.snapshot()
      try {
        await policy.forwardBackward(groups, weightedSum(mixed))
        await policy.optimStep(adam)
        if (differ(before, await allLogProbs(policy, groups), 1e-7) === undefined)
          return 'A training step changed nothing, so there is nothing to compare.'
        const found = differ(before, await allLogProbs(snapshot, groups), 0)
        return found && `After a step of the policy, in the snapshot ${found}.`
      } finally {
        await snapshot.dispose()
      }
    },
  ),
]

async function lossNow(policy: Policy, groups: readonly TokenGroup[], objective: Objective): Promise<number> {
  const scored = await policy.logProbs(groups)
  return objective(scored.map((tokenLogProbs, index) => ({ index, tokenLogProbs }))).loss
}

async function step(policy: Policy, groups: readonly TokenGroup[]) {
  const { gradNorm } = await policy.optimStep(descent(0.01))
  return { gradNorm, after: await allLogProbs(policy, groups) }
}

/** L(θ + h g) − L(θ − h g) against 2 h |g|², for the h that changes the loss by about 2 %. */
async function slopeProblem(
  policy: Policy,
  groups: readonly TokenGroup[],
  objective: Objective,
  start: string,
): Promise<string | undefined> {
  const negated: Objective = (batch) => {
    const { loss, cotangents } = objective(batch)
    return { loss: -loss, cotangents: cotangents.map((group) => group.map((d) => (typeof d === 'number' ? -d : d.map((x) => -x)))) }
  }
  await policy.saveState(start)
  const { loss } = await policy.forwardBackward(groups, objective)
  const { gradNorm } = await policy.optimStep(descent(0))
  const h = (0.02 * Math.max(1, Math.abs(loss))) / gradNorm ** 2
  const moved: number[] = []
  for (const direction of [objective, negated]) {
    await policy.loadState(start)
    await policy.forwardBackward(groups, direction)
    await policy.optimStep(descent(h))
    moved.push(await lossNow(policy, groups, objective))
  }
  await policy.loadState(start)
  const [down, up] = moved
  const ratio = (up! - down!) / (2 * h * gradNorm ** 2)
  return Math.abs(ratio - 1) < 0.02
    ? undefined
    : `along the gradient the loss changes by ${ratio.toPrecision(4)} of what the gradient’s norm ${gradNorm.toPrecision(4)} says.`
}
