import { describe, it } from 'node:test'
import { testAlignmentLoss } from '@plumbline/conformance'
import plugin, { MarginLoss } from '../src/index'

for (const margin of [0, 0.1, 1]) {
  testAlignmentLoss({ name: `margin ${margin}`, factory: () => new MarginLoss({ margin }), plugin, describe, it })
}
