import type { Policy } from '@plumbline/core'
import { expectGradients, expectGreedyText, expectLogProbs } from '../../backend-onnx/test/support/family-checks'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../transformer/test/families/fixtures'
import { PENDING, PENDING_ON_TENSORFLOW } from '../../transformer/test/families/pending'
import { GpuBackend } from '../src'

const pending = { ...PENDING, ...PENDING_ON_TENSORFLOW }
const folders = new ModelFolders()
afterAll(() => folders.dispose())

// The other devices run the same operations; what differs between them is tested with one model.
const open = (path: string) => new GpuBackend({ device: 'javascript' }).open({ kind: 'folder', path })

describe.each(FAMILY_CASES.filter((name) => !(name in pending)))('%s on TensorFlow.js, as transformers computes it', (name) => {
  const expected = expectedCase(name)
  let policy: Policy

  beforeAll(async () => {
    policy = await open(folders.copy(name))
  })
  afterAll(() => policy.dispose())

  it('log-probs', () =>
    expectLogProbs(
      policy,
      expected.groups,
      expected.groups.map(({ logProbs }) => logProbs),
    ))

  it('greedy text', () => expectGreedyText(policy, expected))

  it('gradients of every tensor', () => expectGradients(policy, name, folders.fresh('state')))
})

describe('not computed on TensorFlow.js yet', () => {
  it.each(Object.entries(pending))('%s', async (name, message) => {
    const opened = open(folders.copy(name))
    await expect(opened).rejects.toMatchObject({ code: 'PLUMB_MODEL_UNSUPPORTED', message: expect.stringContaining(message) })
  })
})
