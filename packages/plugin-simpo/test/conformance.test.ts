import { testAlignmentLoss } from '@plumbline/conformance'
import plugin, { Simpo } from '../src'

for (const constraint of ['none', 'detached', 'boundary'] as const) {
  testAlignmentLoss({ name: `simpo, all pairs, ${constraint}`, factory: () => new Simpo({ pairing: 'all', constraint }), plugin })
}
