import * as tf from '@tensorflow/tfjs-core'

/**
 * Gradients of the operations a loss over log-probabilities may use.
 *
 * tfjs-core's CommonJS bundle registers none (its own list ships as ES modules only; the whole of TensorFlow.js would bring it
 * together with a WebGL backend and a layers library). These follow tfjs's definitions, also at ties and kinks, so it makes no
 * difference which of the two was registered. Comparisons get the zero gradient that is theirs, which tfjs leaves out.
 */
interface Saved {
  readonly inputs?: readonly string[]
  readonly allInputs?: boolean
  readonly output?: boolean
}
type Attributes = Record<string, unknown>
type Gradient = (dy: tf.Tensor, saved: tf.Tensor[], attributes: Attributes) => Record<string, () => tf.Tensor>

function register(kernelName: string, { inputs, allInputs, output }: Saved, gradient: Gradient): void {
  const known: unknown = tf.getGradient(kernelName) // undefined where there is none, whatever its type says
  if (known !== undefined) return
  tf.registerGradient({
    kernelName,
    inputsToSave: inputs ? [...inputs] : undefined,
    saveAllInputs: allInputs,
    outputsToSave: output ? [true] : undefined,
    gradFunc: (dy, saved, attributes) => gradient(dy as tf.Tensor, saved, attributes),
  })
}

const float = (t: tf.Tensor) => tf.cast(t, 'float32')
const axesOf = (axis: unknown, shape: readonly number[]) =>
  tf.util.parseAxisParam((axis ?? shape.map((_, i) => i)) as number | number[], [...shape])

/** Sums dy over the axes along which an operand of `shape` was broadcast. */
function unbroadcast(dy: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape)
  return tf.reshape(axes.length > 0 ? tf.sum(dy, axes) : dy, shape)
}

/** A function of one tensor; `slope` gives dy · f′. */
function unary(kernel: string, slope: (dy: tf.Tensor, x: tf.Tensor, attributes: Attributes) => tf.Tensor): void {
  register(kernel, { inputs: ['x'] }, (dy, [x], attributes) => ({ x: () => slope(dy, x!, attributes) }))
}

/** The same where f′ is known from the output. */
function unaryByOutput(kernel: string, slope: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor): void {
  register(kernel, { output: true }, (dy, [y]) => ({ x: () => slope(dy, y!) }))
}

/** A function of two tensors that broadcast; each side gives its share of dy before the broadcast is undone. */
function binary(
  kernel: string,
  left: (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  right: (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
): void {
  register(kernel, { inputs: ['a', 'b'] }, (dy, [a, b]) => ({
    a: () => unbroadcast(left(dy, a!, b!), a!.shape),
    b: () => unbroadcast(right(dy, a!, b!), b!.shape),
  }))
}

binary(
  tf.Add,
  (dy) => dy,
  (dy) => dy,
)
binary(
  tf.Sub,
  (dy) => dy,
  (dy) => tf.neg(dy),
)
binary(
  tf.Multiply,
  (dy, _, b) => tf.mul(dy, float(b)),
  (dy, a) => tf.mul(dy, float(a)),
)
binary(
  tf.RealDiv,
  (dy, _, b) => tf.div(dy, float(b)),
  (dy, a, b) => tf.neg(tf.div(tf.mul(dy, float(a)), tf.square(float(b)))),
)
binary(
  tf.Maximum,
  (dy, a, b) => tf.mul(dy, float(tf.greaterEqual(a, b))),
  (dy, a, b) => tf.mul(dy, float(tf.less(a, b))),
)
binary(
  tf.Minimum,
  (dy, a, b) => tf.mul(dy, float(tf.lessEqual(a, b))),
  (dy, a, b) => tf.mul(dy, float(tf.greater(a, b))),
)
binary(
  tf.SquaredDifference,
  (dy, a, b) => tf.mul(dy, tf.mul(2, tf.sub(a, b))),
  (dy, a, b) => tf.mul(dy, tf.mul(2, tf.sub(b, a))),
)
binary(
  tf.Pow,
  (dy, a, b) => tf.mul(dy, tf.mul(float(b), tf.pow(a, tf.sub(float(b), 1)))),
  (dy, a, b) => tf.mul(dy, tf.mul(tf.pow(a, b), tf.where(tf.greater(a, 0), tf.log(a), tf.zerosLike(a)))),
)

unary(tf.Neg, (dy) => tf.neg(dy))
unary(tf.Abs, (dy, x) => tf.mul(dy, tf.sign(x)))
unary(tf.Log, (dy, x) => tf.div(dy, float(x)))
unary(tf.Log1p, (dy, x) => tf.div(dy, tf.add(1, x)))
unary(tf.Expm1, (dy, x) => tf.mul(dy, tf.exp(x)))
unary(tf.Sqrt, (dy, x) => tf.div(dy, tf.mul(2, tf.sqrt(float(x)))))
unary(tf.Rsqrt, (dy, x) => tf.neg(tf.div(dy, tf.mul(2, tf.pow(x, 1.5)))))
unary(tf.Square, (dy, x) => tf.mul(dy, tf.mul(2, float(x))))
unary(tf.Reciprocal, (dy, x) => tf.neg(tf.div(dy, tf.square(x))))
unary(tf.Softplus, (dy, x) => tf.mul(dy, tf.sigmoid(x)))
unary(tf.Relu, (dy, x) => tf.mul(dy, tf.step(x)))
unary(tf.LeakyRelu, (dy, x, { alpha }) => tf.mul(dy, tf.step(x, alpha as number)))
unary(tf.Cos, (dy, x) => tf.neg(tf.mul(dy, tf.sin(x))))
unary(tf.Sin, (dy, x) => tf.mul(dy, tf.cos(x)))
unary(tf.ClipByValue, (dy, x, { clipValueMin, clipValueMax }) =>
  tf.where(tf.logicalAnd(tf.greaterEqual(x, clipValueMin as number), tf.lessEqual(x, clipValueMax as number)), dy, tf.zerosLike(dy)),
)
unaryByOutput(tf.Exp, (dy, y) => tf.mul(dy, y))
unaryByOutput(tf.Sigmoid, (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y))))
unaryByOutput(tf.Tanh, (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y))))
for (const flat of [
  tf.Step,
  tf.Sign,
  tf.Floor,
  tf.Ceil,
  tf.Round,
  tf.ZerosLike,
  tf.OnesLike,
  tf.LogicalNot,
  tf.IsNan,
  tf.IsInf,
  tf.IsFinite,
]) {
  unary(flat, (dy) => tf.zerosLike(dy))
}
for (const comparison of [...[tf.Greater, tf.GreaterEqual, tf.Less, tf.LessEqual, tf.Equal, tf.NotEqual, tf.LogicalAnd, tf.LogicalOr]]) {
  binary(
    comparison,
    (dy) => tf.zerosLike(float(dy)),
    (dy) => tf.zerosLike(float(dy)),
  )
}

unary(tf.Identity, (dy) => float(dy))
unary(tf.Cast, (dy) => tf.clone(dy))
unary(tf.Reshape, (dy, x) => tf.reshape(dy, x.shape))
register(tf.ExpandDims, { inputs: ['input'] }, (dy, [input]) => ({ input: () => tf.reshape(dy, input!.shape) }))
unary(tf.Transpose, (dy, _, { perm }) => tf.transpose(dy, tf.backend_util.getUndoAxesPermutation(perm as number[])))
unary(tf.Reverse, (dy, x, { dims }) => tf.reverse(dy, axesOf(dims, x.shape)))
unary(tf.Slice, (dy, x, { begin, size }) => {
  const [from, extent] = tf.slice_util.parseSliceParams(x, begin as number[], size as number[])
  return tf.pad(
    dy,
    x.shape.map((n, i) => [from![i], n - from![i]! - extent![i]!] as [number, number]),
  )
})
unary(tf.PadV2, (dy, x, { paddings }) =>
  tf.slice(
    dy,
    (paddings as [number, number][]).map(([before]) => before),
    x.shape,
  ),
)
unary(tf.Tile, (dy, x, { reps }) => {
  const split = x.shape.flatMap((n, i) => [(reps as number[])[i]!, n])
  return tf.sum(
    tf.reshape(dy, split),
    x.shape.map((_, i) => 2 * i),
  )
})
register(tf.Concat, { allInputs: true }, (dy, parts, { axis }) => {
  const [along] = axesOf(axis, parts[0]!.shape)
  return thunks(
    tf.split(
      dy,
      parts.map((t) => t.shape[along!]!),
      along,
    ),
  )
})
register(tf.Pack, { allInputs: true }, (dy, _, { axis }) => thunks(tf.unstack(dy, axis as number)))
// several outputs: dy is then a list
register(tf.Unpack, {}, (dy, _, { axis }) => ({ value: () => tf.stack(dy as unknown as tf.Tensor[], axis as number) }))
register(tf.SplitV, {}, (dy, _, { axis }) => ({ x: () => tf.concat(dy as unknown as tf.Tensor[], axis as number) }))
register(tf.AddN, { allInputs: true }, (dy, terms) => thunks(terms.map(() => tf.clone(dy))))
register(tf.GatherV2, { inputs: ['x', 'indices'] }, (dy, [x, indices], { axis }) => ({
  x: () => {
    const [along] = axesOf(axis, x!.shape)
    if (along !== 0 || indices!.rank !== 1) throw new Error('the gradient of gather is there for a list of indices along axis 0')
    return tf.unsortedSegmentSum(dy, indices as tf.Tensor1D, x!.shape[0])
  },
  indices: () => tf.zerosLike(float(indices!)),
}))
register(tf.Select, { inputs: ['condition'] }, (dy, [condition]) => ({
  condition: () => tf.zerosLike(float(condition!)),
  t: () => tf.mul(dy, float(condition!)),
  e: () => tf.mul(dy, float(tf.logicalNot(condition!))),
}))

/** dy with the reduced axes back as size 1, so that it broadcasts over x. */
const spread = (dy: tf.Tensor, x: tf.Tensor, axis: unknown) =>
  tf.reshape(
    dy,
    tf.backend_util.expandShapeToKeepDim(
      x.shape.filter((_, i) => !axesOf(axis, x.shape).includes(i)),
      axesOf(axis, x.shape),
    ),
  )

unary(tf.Sum, (dy, x, { axis }) => tf.mul(spread(dy, x, axis), tf.ones(x.shape)))
unary(tf.Mean, (dy, x, { axis }) => tf.div(tf.mul(spread(dy, x, axis), tf.ones(x.shape)), x.size / dy.size))
register(tf.Max, { inputs: ['x'], output: true }, (dy, [x, y], { reductionIndices }) => ({
  x: () => tf.mul(spread(dy, x!, reductionIndices), float(tf.equal(x!, spread(y!, x!, reductionIndices)))),
}))
register(tf.Min, { inputs: ['x'], output: true }, (dy, [x, y], { axis }) => ({
  x: () => tf.mul(spread(dy, x!, axis), float(tf.equal(x!, spread(y!, x!, axis)))),
}))
unary(tf.Cumsum, (dy, _, { axis, exclusive, reverse }) => tf.cumsum(dy, axis as number, exclusive as boolean, !(reverse as boolean)))
register(tf.Softmax, { output: true }, (dy, [y], { dim }) => ({
  logits: () => tf.sub(tf.mul(dy, y!), tf.mul(tf.sum(tf.mul(dy, y!), [dim as number], true), y!)),
}))
register(tf.BatchMatMul, { inputs: ['a', 'b'] }, (dy, [a, b], { transposeA, transposeB }) => {
  const [tA, tB] = [Boolean(transposeA), Boolean(transposeB)]
  return {
    a: () => (tA ? tf.matMul(b!, dy, tB, true) : tf.matMul(dy, b!, false, !tB)),
    b: () => (tB ? tf.matMul(dy, a!, true, tA) : tf.matMul(a!, dy, !tA, false)),
  }
})

function thunks(tensors: readonly tf.Tensor[]): Record<string, () => tf.Tensor> {
  return Object.fromEntries(tensors.map((t, i) => [i, () => t]))
}
