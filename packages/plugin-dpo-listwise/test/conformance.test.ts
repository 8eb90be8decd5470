import { testAlignmentLoss } from '@plumbline/conformance'
import plugin, { DpoListwise } from '../src'

for (const constraint of ['none', 'detached', 'boundary'] as const) {
  testAlignmentLoss({ factory: () => new DpoListwise({ constraint }), plugin })
}
