import { testAlignmentLoss } from '@plumbline/conformance'
import plugin, { Orpo } from '../src'

for (const constraint of ['none', 'detached', 'boundary'] as const) {
  testAlignmentLoss({ name: `orpo, all pairs, ${constraint}`, factory: () => new Orpo({ pairing: 'all', constraint }), plugin })
}
