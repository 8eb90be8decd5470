import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenOptions, Policy } from '@plumbline/core'
import { packGroups, parseModelConfig, type ConfigJson } from '@plumbline/transformer'
import { expectedCase, FAMILY_CASES, fixtureFolder, ModelFolders } from '../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../transformer/test/families/pending'
import { OnnxBackend } from '../src'
import { BLOCKED } from '../src/graph/attention-layout'
import { attentionBlocks } from '../src/training/attention-blocks'
import { expectGradients, expectGreedyText, expectLogProbs, expectSameFolder, expectTrajectory, onlyTokens } from './support/family-checks'

const folders = new ModelFolders()
afterAll(() => folders.dispose())

/** So often the groups of a case (111 rows) by the heads of its model, and the engine takes its attention in blocks. */
const LARGE_BY_HEADS = 128

/** Kept where PLUMBLINE_EXPORTS names a folder: `export_check.py` loads them into transformers. */
const exported = (name: string, state: 'untrained' | 'trained') => {
  const kept = process.env.PLUMBLINE_EXPORTS
  return kept === undefined ? folders.fresh(state) : join(kept, name, state)
}

const open = (path: string, options: OpenOptions = {}) =>
  new OnnxBackend({ threads: 1, microBatchTokens: 1_000_000, ...options }).open({ kind: 'folder', path })

async function use<T>(opened: Promise<Policy>, work: (policy: Policy) => Promise<T>): Promise<T> {
  const policy = await opened
  try {
    return await work(policy)
  } finally {
    await policy.dispose()
  }
}

it('every case that is longer than its context is one', () => {
  expect(FAMILY_CASES.length).toBeGreaterThanOrEqual(26)
  expect(BEYOND_CONTEXT.filter((name) => !FAMILY_CASES.includes(name))).toEqual([])
})

describe.each(FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name)))('%s, as transformers computes it', (name) => {
  const { groups } = expectedCase(name)
  const logProbs = groups.map((group) => group.logProbs)
  const untrained = folders.fresh('state')
  let policy: Policy

  // One engine for all: what trains begins with the untrained state.
  beforeAll(async () => {
    policy = await open(folders.copy(name))
    await policy.saveState(untrained)
  })
  afterAll(() => policy.dispose())

  it('log-probs', () => expectLogProbs(policy, groups, logProbs))

  it('the same model in the config of transformers 4 gives the same bits', async () => {
    const asked = groups.map(onlyTokens)
    const found = await use(open(folders.copy(name, 'legacy')), (old) => old.logProbs(asked))
    expect(found).toEqual(await policy.logProbs(asked))
  })

  it('greedy text', () => expectGreedyText(policy, expectedCase(name)))

  it('is saved with the same names, shapes, bits and config', () => expectSameFolder(policy, name, exported(name, 'untrained')))

  it('gradients of every tensor', () => expectGradients(policy, name, folders.fresh('state')))

  it('gradients of every tensor, activations computed again', () =>
    use(open(folders.copy(name), { activationMemory: 'recompute' }), (other) => expectGradients(other, name, folders.fresh('state'))))

  it('log-probs and gradients in a batch that is large enough for attention in blocks', async () => {
    await policy.loadState(untrained)
    const { heads } = parseModelConfig(JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')) as ConfigJson, name)
    const times = LARGE_BY_HEADS / heads
    const often = <T>(list: readonly T[]) => Array.from({ length: times }, () => list).flat()
    expect(attentionBlocks(packGroups(often(groups)), heads).layout).toBe(BLOCKED)
    await expectLogProbs(policy, often(groups), often(logProbs))
    await expectGradients(policy, name, folders.fresh('state'), times)
  })

  it('losses, gradient norms and weights of ten steps', async () => {
    await policy.loadState(untrained)
    await expectTrajectory(policy, name, exported(name, 'trained'))
  })
})

it.each(BEYOND_CONTEXT)('%s is refused', async (name) => {
  for (const config of ['current', 'legacy'] as const) {
    const scored = use(open(folders.copy(name, config)), (policy) => policy.logProbs(expectedCase(name).groups.map(onlyTokens)))
    await expect(scored).rejects.toMatchObject({ code: 'PLUMB_CONTEXT_EXCEEDED' })
  }
})
