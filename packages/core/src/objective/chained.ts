/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops" preserve="true" />
import * as tf from '@tensorflow/tfjs-core'

/**
 * The chained form of tfjs's operations, `worse.sub(better).exp()`, so that a loss reads like its formula.
 *
 * tfjs-core declares these methods in its types but ships them as ES modules only, beside a CommonJS bundle that lacks them. What a
 * loss over k numbers may want is added here, unless the full TensorFlow.js was loaded before and brought its own.
 */
const RECEIVER_FIRST = `
  abs acos acosh add argMax argMin asin asinh atan atan2 atanh broadcastTo cast ceil clipByValue cos cosh cumprod cumsum div divNoNan
  dot elu erf euclideanNorm exp expandDims expm1 floor floorDiv gather leakyRelu log log1p logSigmoid logSoftmax logSumExp matMul max
  maximum mean min minimum mod mul neg norm onesLike pad pow prelu prod reciprocal relu relu6 reshape reverse round rsqrt selu sigmoid
  sign sin sinh slice softmax softplus split sqrt square squaredDifference squeeze step sub sum tan tanh tile transpose
  unsortedSegmentSum unstack zerosLike all any equal greater greaterEqual isFinite isInf isNaN less lessEqual logicalAnd logicalNot
  logicalOr logicalXor notEqual oneHot stridedSlice topk unique`

type Method = (this: tf.Tensor, ...args: never[]) => unknown
const prototype = tf.Tensor.prototype as unknown as Record<string, Method | undefined>
const operations = tf as unknown as Record<string, (...args: unknown[]) => unknown>

function add(name: string, method: Method): void {
  prototype[name] ??= method
}

for (const name of RECEIVER_FIRST.trim().split(/\s+/)) {
  const operation = operations[name]
  if (operation === undefined) throw new Error(`tfjs-core has no operation ${name}`)
  add(name, function (...args) {
    return operation(this, ...args)
  })
}

const list = (t: tf.Tensor | tf.Tensor[]) => (t instanceof tf.Tensor ? [t] : t)

add('asScalar', function () {
  return tf.reshape(this, [])
})
add('as1D', function () {
  return tf.reshape(this, [this.size])
})
add('flatten', function () {
  return tf.reshape(this, [this.size])
})
add('reshapeAs', function (like: tf.Tensor) {
  return tf.reshape(this, like.shape)
})
add('concat', function (others: tf.Tensor | tf.Tensor[], axis?: number) {
  return tf.concat([this, ...list(others)], axis)
})
add('stack', function (others: tf.Tensor | tf.Tensor[], axis?: number) {
  return tf.stack([this, ...list(others)], axis)
})
add('where', function (condition: tf.Tensor, otherwise: tf.Tensor) {
  return tf.where(condition, this, otherwise)
})
add('toFloat', function () {
  return tf.cast(this, 'float32')
})
add('toInt', function () {
  return tf.cast(this, 'int32')
})
add('toBool', function () {
  return tf.cast(this, 'bool')
})
