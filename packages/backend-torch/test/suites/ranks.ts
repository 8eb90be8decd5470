import { join } from 'node:path'
import type { Objective, Policy } from '@plumbline/core'
import { readSafetensors } from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../../transformer/test/families/fixtures'
import { TorchBackend } from '../../src'
import { describeTorch } from '../support/python'

const { groups: cases } = expectedCase('qwen2')
// As many as leave one rank with more of them than the other.
const groups = [...cases, ...cases, cases[0]!].map(({ prompt, completions }, i) => ({ id: `g${i}`, prompt, completions }))

const objective: Objective = (batch) => {
  let loss = 0
  const cotangents = batch.map(({ index, tokenLogProbs }) =>
    tokenLogProbs.map((values, c) => {
      const weight = 0.1 * (1 + index) * (c % 2 === 0 ? -1 : 0.7)
      loss += weight * values!.reduce((sum, value) => sum + value, 0)
      return weight
    }),
  )
  return { loss, cotangents }
}

const adamW = { learningRate: 1e-2, betas: [0, 0.999], epsilon: 1, weightDecay: 0.01, maxGradNorm: 1 } as const

describeTorch('two processes under torchrun', (python) => {
  const folders = new ModelFolders()
  afterAll(() => folders.dispose())

  async function train(policy: Policy) {
    const state = folders.fresh('state')
    const before = await policy.logProbs(groups)
    const { loss } = await policy.forwardBackward(groups, objective)
    const { gradNorm } = await policy.optimStep(adamW)
    await policy.saveState(state)
    // A step whose groups are fewer than the ranks.
    await policy.forwardBackward(groups.slice(0, 1), objective)
    const second = (await policy.optimStep(adamW)).gradNorm
    const drawn: (readonly number[])[] = []
    const prompts = [{ id: 'p', prompt: groups[0]!.prompt, candidates: [0, 1] }]
    for await (const { tokens } of policy.generate(prompts, { seed: 1, temperature: 1, maxNewTokens: 4 })) drawn.push(tokens)
    await policy.dispose()
    // With β₁ = 0 the first moment is the clipped gradient.
    const tensors = await readSafetensors(join(state, 'training-state.safetensors'))
    return { before, loss, gradNorm, second, drawn, tensors }
  }

  const source = { kind: 'folder', path: folders.copy('qwen2') } as const
  const options = { device: 'cpu', threads: 1 } as const
  let one: Awaited<ReturnType<typeof train>>
  const saidByOne: string[] = []
  beforeAll(async () => {
    const logger = { info: () => undefined, warn: (message: string) => saidByOne.push(message) }
    one = await train(await new TorchBackend({ ...options, python, sharding: 'full' }, logger).open(source))
  }, 300_000)

  // Both are computed by the same two processes.
  it.each([
    ['the whole model each', 'none'],
    ['a part of the weights each', 'full'],
  ] as const)(
    'with %s have the losses, gradients and weights of one, to 1e-5',
    async (_, sharding) => {
      const launch = [python, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
      const said: string[] = []
      const logger = { info: (message: string) => said.push(message), warn: (message: string) => said.push(message) }
      const policy = await new TorchBackend({ ...options, launch, sharding }, logger).open(source)
      const inParts = sharding === 'full' ? ', weights in parts at 2 ranks' : ''
      expect(said).toEqual([expect.stringMatching(new RegExp(`prompts computed once${inParts}\\.$`))])
      const two = await train(policy)
      const flat = (scores: typeof one.before) => scores.flatMap((row) => row.flatMap((values) => [...values!]))
      const expected = flat(one.before)
      expect(flat(two.before).every((value, i) => Math.abs(value - expected[i]!) < 1e-5)).toBe(true)
      for (const key of ['loss', 'gradNorm', 'second'] as const) expect(Math.abs(two[key] / one[key] - 1)).toBeLessThan(1e-5)
      expect(two.tensors.size).toBe(one.tensors.size)
      for (const [name, { data }] of one.tensors) {
        const largest = Math.max(...data.map(Math.abs))
        const error = Math.max(...data.map((value, i) => Math.abs(value - two.tensors.get(name)!.data[i]!)))
        expect({ name, near: error <= 1e-5 * largest }).toEqual({ name, near: true })
      }
      expect(two.drawn).toEqual(one.drawn)
    },
    300_000,
  )

  it('and one that has nothing to share says so', () => {
    expect(saidByOne).toEqual([expect.stringMatching(/sharding: full has no effect on one process\.$/)])
  })
})
