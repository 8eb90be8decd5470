import { describe, it } from 'node:test'
import { dicePolicy, testSampler } from '@plumbline/conformance'
import { LadderSampler } from '../src/index'

testSampler({ factory: () => new LadderSampler(), policy: async () => dicePolicy(), describe, it })
testSampler({
  name: 'a steep ladder',
  factory: () => new LadderSampler({ step: 1, highest: 3 }),
  policy: async () => dicePolicy(),
  describe,
  it,
})
