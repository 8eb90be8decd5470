import type { Policy } from '@plumbline/core'
import {
  expectGradients,
  expectGreedyText,
  expectLogProbs,
  expectSameFolder,
  expectTrajectory,
} from '../../../backend-onnx/test/support/family-checks'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../../transformer/test/families/pending'
import { TorchBackend } from '../../src'
import { describeTorch, itWhole } from '../support/python'

// The numbers of the fixtures are those that the other engines are held to, within the same bounds.
describeTorch('every family on PyTorch, as transformers computes it', (python) => {
  const folders = new ModelFolders()
  afterAll(() => folders.dispose())

  const open = (path: string) => new TorchBackend({ python, device: 'cpu', threads: 1 }).open({ kind: 'folder', path })

  describe.each(FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name)))('%s', (name) => {
    const expected = expectedCase(name)
    const untrained = folders.fresh('state')
    let policy: Policy

    beforeAll(async () => {
      policy = await open(folders.copy(name))
      await policy.saveState(untrained)
    })
    afterAll(() => policy.dispose())

    it('log-probs from packed rows', async () => {
      expect(policy.info.engine).toMatch(/packed rows/)
      const logProbs = expected.groups.map((group) => group.logProbs)
      await expectLogProbs(policy, expected.groups, logProbs)
    })

    itWhole('greedy text', () => expectGreedyText(policy, expected))

    itWhole('is saved with the same names, shapes, bits and config', () => expectSameFolder(policy, name, folders.fresh('saved')))

    it('gradients of every tensor', () => expectGradients(policy, name, folders.fresh('state')))

    itWhole('losses, gradient norms and weights of ten steps', async () => {
      await policy.loadState(untrained)
      await expectTrajectory(policy, name, folders.fresh('trained'))
    })
  })

  it.each(BEYOND_CONTEXT)('%s is refused', async (name) => {
    const policy = await open(folders.copy(name))
    const groups = expectedCase(name).groups.map(({ id, prompt, completions }) => ({ id, prompt, completions }))
    await expect(policy.logProbs(groups)).rejects.toMatchObject({ code: 'PLUMB_CONTEXT_EXCEEDED' })
    await policy.dispose()
  })
})
