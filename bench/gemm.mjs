// The rate of float32 Gemm in the runtime that our engine calls, GF/s: twenty products in a chain, so that feeding them costs nothing.
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { writeJson } from './lib/measure.mjs'

const require = createRequire(import.meta.url)
const { InferenceSession, Tensor } = require('../packages/backend-onnx/dist/runtime/onnxruntime')

const { values: args } = parseArgs({
  options: {
    m: { type: 'string' },
    k: { type: 'string' },
    n: { type: 'string' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
})
const [m, k, n] = [args.m, args.k, args.n].map(Number)
const PAIRS = 10

/** Protobuf wire format: field number and wire type, then the value. */
const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
const int = (field, value) => [...varint(field << 3), ...varint(value)]
const bytes = (field, content) => [...varint((field << 3) | 2), ...varint(content.length), ...content]
const text = (field, value) => bytes(field, [...Buffer.from(value)])
const FLOAT = 1
const tensorInfo = (name, dims) => [
  ...text(1, name),
  ...bytes(
    2,
    bytes(1, [
      ...int(1, FLOAT),
      ...bytes(
        2,
        dims.flatMap((size) => bytes(1, int(1, size))),
      ),
    ]),
  ),
]
const gemm = (a, b, y) => [...text(1, a), ...text(1, b), ...text(2, y), ...text(4, 'Gemm')]

/** y0 = x; y(2i+1) = y(2i)·w; y(2i+2) = y(2i+1)·v */
function chain() {
  const nodes = Array.from({ length: 2 * PAIRS }, (_, i) => bytes(1, gemm(i ? `y${i}` : 'x', i % 2 ? 'v' : 'w', `y${i + 1}`))).flat()
  const inputs = [tensorInfo('x', [m, k]), tensorInfo('w', [k, n]), tensorInfo('v', [n, k])].flatMap((info) => bytes(11, info))
  const graph = [...nodes, ...text(2, 'gemm'), ...inputs, ...bytes(12, tensorInfo(`y${2 * PAIRS}`, [m, k]))]
  return Uint8Array.from([...int(1, 8), ...bytes(7, graph), ...bytes(8, int(2, 17))])
}

const random = (rows, columns) =>
  new Tensor(
    'float32',
    Float32Array.from({ length: rows * columns }, () => (Math.random() - 0.5) * Math.sqrt(12 / rows)),
    [rows, columns],
  )

const session = await InferenceSession.create(chain(), {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(args.threads),
  graphOptimizationLevel: 'disabled',
})
const feeds = { x: random(m, k), w: random(k, n), v: random(n, k) }
let best = Infinity
for (const start = performance.now(); performance.now() - start < 3000;) {
  const before = performance.now()
  await session.run(feeds)
  best = Math.min(best, (performance.now() - before) / 1000)
}
writeJson(args.out, { gflops: (2 * PAIRS * 2 * m * k * n) / best / 1e9 })
