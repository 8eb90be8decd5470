import type { Policy } from '@plumbline/core'
import { expectGradients, expectGreedyText, expectLogProbs } from '../../backend-onnx/test/support/family-checks'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../transformer/test/families/pending'
import { GpuBackend } from '../src'

const folders = new ModelFolders()
afterAll(() => folders.dispose())

// The other devices run the same operations; what differs between them is tested with one model.
const open = (path: string) => new GpuBackend({ device: 'javascript' }).open({ kind: 'folder', path })

/** What differs from these in its configuration alone (kinds of rope, tied weights, a window's width) is shared code, which the ONNX engine's suite takes whole. */
const OPERATIONS = [
  ...['llama-plain', 'llama-bias', 'llama-head-dim', 'mistral-window', 'qwen2', 'qwen3', 'gemma2', 'gemma3'],
  ...['phi3', 'phi3-partial', 'olmo2', 'granite', 'smollm3', 'gpt2'],
]

it('knows its cases', () => expect(FAMILY_CASES).toEqual(expect.arrayContaining(OPERATIONS)))

describe.each(OPERATIONS.filter((name) => !BEYOND_CONTEXT.includes(name)))('%s on TensorFlow.js, as transformers computes it', (name) => {
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

it.each(BEYOND_CONTEXT)('%s is refused on TensorFlow.js', async (name) => {
  const policy = await open(folders.copy(name))
  const groups = expectedCase(name).groups.map(({ id, prompt, completions }) => ({ id, prompt, completions }))
  await expect(policy.logProbs(groups)).rejects.toMatchObject({ code: 'PLUMB_CONTEXT_EXCEEDED' })
  await policy.dispose()
})
