import { testAlignmentLoss } from '@plumbline/conformance'
import plugin, { Kto } from '../src'

for (const constraint of ['none', 'boundary'] as const) {
  testAlignmentLoss({ factory: () => new Kto({ constraint }), plugin })
}

testAlignmentLoss({ name: 'kto, reference point 0', factory: () => new Kto({ referencePoint: 'zero', undesirableWeight: 1.33 }), plugin })
