import type { Policy } from '@plumbline/core'
import { expectedCase, FAMILY_CASES, ModelFolders } from '../../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../../transformer/test/families/pending'
import { OnnxBackend } from '../../src'
import { describeOnGpu, device } from '../support/device'
import { expectGradients, expectGreedyText, expectLogProbs, expectTrajectory } from '../support/family-checks'

// Every engine compiles its shaders anew, which takes a software adapter seconds.
jest.setTimeout(300_000)

const folders = new ModelFolders()
afterAll(() => folders.dispose())

describeOnGpu('every family', () => {
  describe.each(FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name)))('%s, as transformers computes it', (name) => {
    const { groups } = expectedCase(name)
    const untrained = folders.fresh('state')
    let policy: Policy

    // One engine for all: what trains begins with the untrained state.
    beforeAll(async () => {
      policy = await new OnnxBackend({ device }).open({ kind: 'folder', path: folders.copy(name) })
      await policy.saveState(untrained)
    })
    afterAll(() => policy.dispose())

    it('log-probs', () =>
      expectLogProbs(
        policy,
        groups,
        groups.map(({ logProbs }) => logProbs),
      ))

    it('greedy text', () => expectGreedyText(policy, expectedCase(name)))

    it('gradients of every tensor', () => expectGradients(policy, name, folders.fresh('state')))

    it('losses, gradient norms and weights of ten steps', async () => {
      await policy.loadState(untrained)
      await expectTrajectory(policy, name, folders.fresh('trained'))
    })
  })
})
