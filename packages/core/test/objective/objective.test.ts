import * as tf from '@tensorflow/tfjs-core'
import {
  createObjective,
  detach,
  logOnePlusSumExp,
  lossAndGradient,
  neededCandidates,
  ReferenceLikelihood,
  type AlignmentLoss,
  type LabelledGroup,
  type LossManifest,
  type ScoredGroup,
  type WeightedLoss,
} from '../../src'
import { randomStreams } from '../../src/util/random'

const manifest = (over: Partial<LossManifest> = {}): LossManifest => ({
  name: 'contrast',
  feedback: 'either',
  needsReference: false,
  unit: 'question',
  constraint: 'none',
  constraints: ['none'],
  paper: '',
  ...over,
})

const base = manifest()

/** log(1 + ΣΣ exp(s_j − s_i)), Eq. 6, or with the worse side detached, Eq. 7. */
class Contrast implements AlignmentLoss {
  constructor(
    private readonly detached = false,
    readonly manifest = { ...base, name: detached ? 'detached' : 'contrast' },
  ) {}
  loss({ scores, pairs }: ScoredGroup): tf.Scalar {
    const worse = pairs.worse(scores)
    return logOnePlusSumExp((this.detached ? detach(worse) : worse).sub(pairs.better(scores)))
  }
}

const uniform = randomStreams(7)('objective test')

function group(
  id: string,
  k: number,
  role: LabelledGroup['role'] = 'both',
  positive = Array.from({ length: k }, (_, c) => c % 2 === 0),
): LabelledGroup {
  const lengths = Array.from({ length: k }, () => 1 + Math.floor(uniform() * 9))
  return { id, k, role, lengths, positive, rewards: positive.map(Number), reference: positive.map((_, c) => c === 0) }
}

const scored = (groups: readonly LabelledGroup[]) =>
  groups.map(({ lengths }, index) => ({
    index,
    tokenLogProbs: lengths.map((n) => Float32Array.from({ length: n }, () => -3 * uniform())),
  }))

const terms = (...losses: AlignmentLoss[]): WeightedLoss[] => losses.map((loss, i) => ({ name: loss.manifest.name, loss, weight: 1 + i }))

describe('lossAndGradient', () => {
  it('joins what arrives at scores and at summed log-probs: L = s_0 + 10·l_0, dL/dl_0 = 1/n_0 + 10', () => {
    const loss: AlignmentLoss = {
      manifest: base,
      loss: ({ scores, logProbs }) =>
        scores
          .slice([0], [1])
          .add(logProbs.slice([0], [1]).mul(10))
          .asScalar(),
    }
    const result = lossAndGradient(loss, { ...group('q', 2), lengths: [4, 1], logProbs: [-8, -1] })
    expect(result.loss).toBe(-82)
    expect(result.gradient).toEqual([10.25, 0])
  })

  it('gives zero for a constant', () => {
    const constant: AlignmentLoss = { manifest: base, loss: () => tf.scalar(3) }
    expect(lossAndGradient(constant, { ...group('q', 2), logProbs: [-1, -1] })).toEqual({ loss: 3, gradient: [0, 0] })
  })

  it('refuses anything but a scalar', () => {
    const vector = { manifest: base, loss: ({ scores }: ScoredGroup) => scores } as unknown as AlignmentLoss
    expect(() => lossAndGradient(vector, { ...group('q', 2), logProbs: [-1, -1] })).toThrow(
      expect.objectContaining({ code: 'PLUMB_LOSS_RESULT', message: expect.stringContaining('shape [2]') as string }),
    )
  })

  it('leaves no tensor behind', () => {
    lossAndGradient(new Contrast(), { ...group('q', 4), logProbs: [-1, -2, -3, -4] })
    const before = tf.memory().numTensors
    for (let i = 0; i < 3; i++) lossAndGradient(new Contrast(), { ...group('q', 4), logProbs: [-1, -2, -3, -4] })
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('ReferenceLikelihood', () => {
  it('is −s of the references, in closed form as on the tape', () => {
    const loss = new ReferenceLikelihood()
    const labels = { ...group('q', 3), lengths: [4, 2, 5], reference: [true, false, true], logProbs: [-8, -1, -5] }
    const closed = lossAndGradient(loss, labels)
    expect(closed.loss).toBe(3)
    expect(closed.gradient).toEqual([-0.25, 0, -0.2])
    const onTape = lossAndGradient({ manifest: loss.manifest, loss: (g) => loss.loss(g) }, labels)
    expect(onTape.loss).toBeCloseTo(closed.loss, 6)
    onTape.gradient.forEach((g, c) => expect(g).toBeCloseTo(closed.gradient[c]!, 6))
  })
})

describe('createObjective', () => {
  it('averages each loss over its own units and weights the sum', () => {
    // two questions, one of them without a pair, and a reference chain from elsewhere
    const groups = [group('a', 2, 'align'), group('b', 2, 'align', [true, true]), group('c', 1, 'sft', [true])]
    const batch = groups.map(({ lengths }, index) => ({ index, tokenLogProbs: lengths.map((n, c) => new Float32Array(n).fill(-1 - c)) }))
    const objective = createObjective({ losses: terms(new Contrast(), new ReferenceLikelihood()), groups })
    const { loss, metrics } = objective(batch)
    const contrast = Math.log(1 + Math.exp(-1)) / 2 // question b counts for the mean with loss 0
    expect(metrics?.['loss/contrast']).toBeCloseTo(contrast, 6)
    expect(metrics?.['loss/sft']).toBe(1)
    expect(loss).toBeCloseTo(contrast + 2 * 1, 6)
  })

  it('gives the same loss, cotangents and metrics however the groups are split', () => {
    const groups = [group('a', 4), group('b', 1), group('c', 6), group('d', 3, 'sft'), group('e', 5, 'align'), group('f', 2)]
    const batch = scored(groups)
    const objective = createObjective({ losses: terms(new Contrast(), new Contrast(true), new ReferenceLikelihood()), groups })
    const whole = objective(batch)
    for (const split of [
      [[0], [1], [2], [3], [4], [5]],
      [[5, 0, 3], [], [2, 1, 4]],
    ]) {
      const parts = split.map((indices) => objective(indices.map((i) => batch[i]!)))
      const order = split.flat()
      expect(parts.reduce((sum, part) => sum + part.loss, 0)).toBeCloseTo(whole.loss, 12)
      parts.flatMap((part) => part.cotangents).forEach((cotangent, n) => expect(cotangent).toEqual(whole.cotangents[order[n]!]))
      for (const [name, value] of Object.entries(whole.metrics ?? {})) {
        expect(parts.reduce((sum, part) => sum + (part.metrics?.[name] ?? 0), 0)).toBeCloseTo(value, 12)
      }
    }
  })

  it('has the gradient of its loss: central differences over every token', () => {
    const groups = [group('a', 4), group('b', 3, 'align'), group('c', 2, 'sft')]
    const batch = scored(groups)
    const objective = createObjective({ losses: terms(new Contrast(), new ReferenceLikelihood()), groups })
    const { cotangents } = objective(batch)
    const step = 2 ** -6
    for (const { index, tokenLogProbs } of batch) {
      tokenLogProbs.forEach((tokens, c) => {
        const at = (delta: number) => {
          tokens[0]! += delta
          const { loss } = objective(batch)
          tokens[0]! -= delta
          return loss
        }
        expect((at(step) - at(-step)) / (2 * step)).toBeCloseTo(cotangents[index]![c] as number, 4)
      })
    }
  })

  it('keeps zero cotangents exactly zero: the wrong candidates under the detached constraint', () => {
    const groups = [group('a', 4, 'align')]
    const { cotangents } = createObjective({ losses: terms(new Contrast(true)), groups })(scored(groups))
    expect(cotangents[0]!.map((g) => Object.is(g, 0))).toEqual([false, true, false, true])
  })

  it('reports scores, margin and assessment of the step', () => {
    const groups = [group('a', 3, 'align', [true, false, false]), group('b', 2, 'align', [true, true])]
    const at = [
      [-1, -1, -3],
      [-2, -2],
    ]
    const batch = groups.map(({ lengths }, index) => ({
      index,
      tokenLogProbs: lengths.map((n, c) => new Float32Array(n).fill(at[index]![c]!)),
    }))
    const { metrics } = createObjective({ losses: terms(new Contrast()), groups })(batch)
    expect(metrics).toMatchObject({ 'score/negative': -2, margin: 1, assessment: 0.75 })
    expect(metrics?.['score/positive']).toBeCloseTo(-5 / 3, 12)
  })

  it('averages what a loss reports over the groups that report it, however they are split', () => {
    class Reporting extends Contrast {
      /** Nothing where there is nothing to compare; `k` always. */
      metrics({ positive, scores, k }: { readonly positive: readonly boolean[]; readonly scores: readonly number[]; readonly k: number }) {
        return { k, ...(new Set(positive).size > 1 ? { best: Math.max(...scores) } : {}) }
      }
    }
    const groups = [
      group('a', 2, 'align', [true, false]),
      group('b', 3, 'align', [true, true, true]),
      group('c', 4, 'align', [true, false, true, true]),
    ]
    const batch = groups.map(({ lengths }, index) => ({
      index,
      tokenLogProbs: lengths.map((n, c) => new Float32Array(n).fill(-1 - index - c)),
    }))
    const objective = createObjective({ losses: terms(new Reporting()), groups })
    const expected = { 'contrast/k': 3, 'contrast/best': (-1 - 3) / 2 }
    expect(objective(batch).metrics).toMatchObject(expected)
    const parts = batch.map((one) => objective([one]).metrics!)
    for (const [figure, value] of Object.entries(expected)) {
      expect(parts.reduce((sum, part) => sum + (part[figure] ?? 0), 0)).toBeCloseTo(value, 12)
    }
  })

  it('asks only for the candidates that a loss reads, and passes over the others', () => {
    const first: AlignmentLoss = {
      manifest: base,
      loss: ({ scores }) => scores.slice([1], [1]).asScalar(),
      needed: ({ k }) => Array.from({ length: k }, (_, c) => c === 1),
    }
    const labels = group('a', 3)
    expect(neededCandidates([first], labels)).toEqual([false, true, false])
    expect(neededCandidates([first, new ReferenceLikelihood()], labels)).toEqual([true, true, false])
    expect(neededCandidates([first, new ReferenceLikelihood()], { ...labels, role: 'sft' })).toEqual([true, false, false])
    expect(neededCandidates([new Contrast(), first], labels)).toEqual([true, true, true])
    const objective = createObjective({ losses: terms(first), groups: [labels] })
    const result = objective([{ index: 0, tokenLogProbs: [undefined, new Float32Array(labels.lengths[1]!).fill(-2), undefined] }])
    expect(result.loss).toBe(-2)
    expect(result.cotangents[0]).toEqual([0, 1 / labels.lengths[1]!, 0])
  })

  it('gives a loss only the candidates selected for it', () => {
    const sequences: AlignmentLoss = { manifest: manifest({ unit: 'sequence' }), loss: ({ scores }) => scores.sum(), units: ({ k }) => k }
    const contrast = new Contrast()
    const labels = { ...group('a', 3, 'align'), selected: new Map([[sequences, [false, true, true]]]) }
    expect(neededCandidates([sequences], labels)).toEqual([false, true, true])
    expect(neededCandidates([sequences, contrast], labels)).toEqual([true, true, true])
    const none = { ...group('b', 2, 'align'), selected: new Map([[sequences, [false, false]]]) }
    const objective = createObjective({ losses: terms(sequences), groups: [labels, none] })
    const result = objective([
      { index: 0, tokenLogProbs: labels.lengths.map((n, c) => new Float32Array(n).fill(-c)) },
      { index: 1, tokenLogProbs: none.lengths.map(() => undefined) },
    ])
    expect(result.loss).toBe(-1.5) // the mean of −1 and −2: two sequences in all
    expect(result.cotangents[0]).toEqual([0, 0.5 / labels.lengths[1]!, 0.5 / labels.lengths[2]!].map((g) => expect.closeTo(g, 6) as number))
    expect(result.cotangents[1]).toEqual([0, 0])
  })

  it('counts sequences where the loss is a sum over them', () => {
    const perSequence: AlignmentLoss = {
      manifest: manifest({ unit: 'sequence' }),
      loss: ({ scores }) => scores.sum(),
      units: ({ k }) => k,
    }
    const groups = [group('a', 3, 'align'), group('b', 1, 'align')]
    const batch = groups.map(({ lengths }, index) => ({ index, tokenLogProbs: lengths.map((n) => new Float32Array(n).fill(-2)) }))
    expect(createObjective({ losses: terms(perSequence), groups })(batch).loss).toBe(-2)
  })

  it('stops at a log-prob, a loss or a gradient that is not finite, naming the group', () => {
    const groups = [group('a', 2), group('q-17', 2)]
    const batch = scored(groups)
    batch[1]!.tokenLogProbs[1]![0] = NaN
    const run =
      (losses: AlignmentLoss[], at = batch) =>
      () =>
        createObjective({ losses: terms(...losses), groups })(at)
    expect(run([new Contrast()])).toThrow(expect.objectContaining({ code: 'PLUMB_NON_FINITE_LOSS', where: 'q-17' }))
    const infinite: AlignmentLoss = { manifest: base, loss: () => tf.scalar(Infinity) }
    expect(run([infinite], batch.slice(0, 1))).toThrow(expect.objectContaining({ code: 'PLUMB_NON_FINITE_LOSS', where: 'a' }))
    const steep: AlignmentLoss = { manifest: base, loss: ({ scores }) => scores.mul(0).sqrt().sum() }
    expect(run([steep], batch.slice(0, 1))).toThrow(expect.objectContaining({ code: 'PLUMB_NON_FINITE_LOSS', where: 'a' }))
  })

  it('refuses empty completions and missing reference log-probs', () => {
    const losses = terms(new Contrast())
    expect(() => createObjective({ losses, groups: [{ ...group('a', 2), lengths: [1, 0] }] })).toThrow(
      expect.objectContaining({ code: 'PLUMB_EMPTY_COMPLETION', where: 'a' }),
    )
    const needy: AlignmentLoss = { manifest: manifest({ needsReference: true }), loss: ({ referenceLogProbs }) => referenceLogProbs!.sum() }
    expect(() => createObjective({ losses: terms(needy), groups: [group('a', 2)] })).toThrow(
      expect.objectContaining({ code: 'PLUMB_REFERENCE_MISSING', where: 'a' }),
    )
    const groups = [{ ...group('a', 2), referenceLogProbs: [-1, -4] }]
    expect(createObjective({ losses: terms(needy), groups })(scored(groups)).loss).toBe(-5)
  })
})
