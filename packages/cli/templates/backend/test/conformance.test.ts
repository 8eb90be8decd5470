import { describe, it } from 'node:test'
import { testBackend } from '@plumbline/conformance'
import { TableBackend } from '../src/index'

testBackend({
  factory: () => new TableBackend({ groupsAtOnce: 3 }),
  model: { kind: 'scratch', architecture: { model_type: 'table' }, tokenizer: '', seed: 3 },
  describe,
  it,
})
