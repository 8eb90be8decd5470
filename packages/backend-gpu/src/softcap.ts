import * as tf from '@tensorflow/tfjs-core'

/** c · tanh(x / c), or x where there is no cap. */
export function capped(x: tf.Tensor, cap: number | undefined): tf.Tensor {
  return cap === undefined ? x : tf.mul(tf.tanh(tf.div(x, cap)), cap)
}

/** Slope of the cap at x: 1 − tanh². */
export function capSlope(x: tf.Tensor, cap: number): tf.Tensor {
  return tf.sub(1, tf.square(tf.tanh(tf.div(x, cap))))
}
