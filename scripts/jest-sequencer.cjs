const { default: Sequencer } = require('@jest/test-sequencer')

/**
 * What takes longest, longest first. jest begins with what took long the last time, and on a clean checkout with the largest files, which a
 * long test file need not be: the last of them then ran alone, the other process idle. A test file that is not here comes where jest puts it.
 */
const LONG = [
  'backend-onnx/test/families',
  'backend-onnx/test/memory-plan',
  'cli/test/gc',
  'backend-onnx/test/lora',
  'cli/test/seeds/run',
  'backend-onnx/test/layers-policy',
  'backend-gpu/test/lora',
  'core/test/labelers/long-texts',
  'cli/test/identity',
  'cli/test/plugins',
  'backend-onnx/test/lora-families',
  'core/test/run/lock',
  'cli/test/watch',
  'backend-onnx/test/frozen-base',
  'backend-onnx/test/checkpoints',
  'cli/test/export',
  'core/test/stages/rounds',
  'backend-onnx/test/telemetry',
  'cli/test/answer',
  'cli/test/conformance',
  'transformer/test/trl',
  'backend-onnx/test/layers',
]

/** 0 for what is not listed, else more the longer it takes. */
function length({ path }) {
  const at = LONG.findIndex((name) => path.replaceAll('\\', '/').endsWith(`/packages/${name}.test.ts`))
  return at < 0 ? 0 : LONG.length - at
}

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    const isKnown = sorted.some(({ duration }) => duration !== undefined && duration !== null)
    return isKnown ? sorted : sorted.sort((a, b) => length(b) - length(a))
  }
}
