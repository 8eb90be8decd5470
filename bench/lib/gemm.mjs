// The rate of large matrix products, which no step can exceed on what it needs.
import { join } from 'node:path'
import { measure } from './children.mjs'
import { root } from './peer.mjs'

/** m, k, n: a micro-batch of rows through a layer of the 27.8M model. */
export const GEMM_SHAPE = [1024, 512, 1408]

/** GF/s by one of bench's scripts, in a process of its own; `out` is where that writes. */
export function gemmRate(command, script, out, env, shape = GEMM_SHAPE) {
  const size = shape.flatMap((n, i) => [`--${'mkn'[i]}`, `${n}`])
  return measure(command, [join(root, 'bench', script), ...size], out, env).gflops
}
