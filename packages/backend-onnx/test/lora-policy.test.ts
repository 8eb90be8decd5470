import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, Generation, LoraPlan, ModelSource, Objective, OpenOptions, Policy } from '@plumbline/core'
import { packGroups, readSafetensors } from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../transformer/test/families/fixtures'
import { OnnxBackend } from '../src'
import { Dropout, rowKeys } from '../src/training/dropout'
import { onlyTokens } from './support/family-checks'

const folders = new ModelFolders()
const scratch = mkdtempSync(join(tmpdir(), 'plumbline-lora-policy-'))
afterAll(() => {
  folders.dispose()
  rmSync(scratch, { recursive: true })
})

const CASE = 'qwen2'
const { groups: cases } = expectedCase(CASE)
const groups = cases.map(onlyTokens)
const base: ModelSource = { kind: 'folder', path: folders.copy(CASE) }
const lora: LoraPlan = { rank: 2, alpha: 16, rslora: false, dropout: 0, targetModules: ['q_proj', 'v_proj', 'down_proj'], seed: 11 }
const fast: AdamWOptions = { learningRate: 0.05, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }
const objective: Objective = (batch) => ({
  loss: 0,
  cotangents: batch.map(({ index }) => cases[index]!.cotangents.map((weights) => Float32Array.from(weights))),
})

async function trainee(source: ModelSource = base, plan: LoraPlan = lora, options: OpenOptions = {}): Promise<Policy> {
  const policy = await new OnnxBackend({ threads: 1, ...options }).open(source)
  await policy.prepareTraining!({ lora: plan })
  return policy
}

async function train(policy: Policy, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    await policy.forwardBackward(groups, objective)
    await policy.optimStep(fast)
  }
}

async function greedy(policy: Policy): Promise<Map<string, readonly number[]>> {
  const found: Generation[] = []
  const prompts = groups.map(({ id, prompt }) => ({ id, prompt, candidates: [0] }))
  for await (const generation of policy.generate(prompts, { seed: 1, temperature: 0, maxNewTokens: 6 })) found.push(generation)
  return new Map(found.sort((a, b) => a.id.localeCompare(b.id)).map(({ id, tokens }) => [id, tokens]))
}

function largestDifference(a: Awaited<ReturnType<Policy['logProbs']>>, b: typeof a): number {
  return Math.max(...a.flatMap((row, g) => row.flatMap((tokens, c) => [...tokens!].map((value, t) => Math.abs(value - b[g]![c]![t]!)))))
}

it('what is saved, as an adapter or merged, computes and says what the trained policy does; the base stays as it was', async () => {
  const policy = await trainee()
  const before = await policy.logProbs(groups)
  const early = await greedy(policy)
  await train(policy, 4)
  const after = await policy.logProbs(groups)
  const text = await greedy(policy)
  expect(largestDifference(before, after)).toBeGreaterThan(0.5)
  expect(text).not.toEqual(early)
  const [adapter, merged] = [join(scratch, 'adapter'), join(scratch, 'merged')]
  await policy.saveAdapter!(adapter)
  await policy.saveWeights(merged)
  await policy.dispose()
  for (const source of [
    { kind: 'adapter', base, path: adapter },
    { kind: 'folder', path: merged },
  ] as const) {
    const opened = await new OnnxBackend({ threads: 1 }).open(source)
    expect(largestDifference(await opened.logProbs(groups), after)).toBeLessThan(2e-5)
    expect(await greedy(opened)).toEqual(text)
    await opened.dispose()
  }
  // Trained on, it begins where it ended, and unreadied it is handed on as it is.
  const again = await trainee({ kind: 'adapter', base, path: adapter })
  expect(await again.logProbs(groups)).toEqual(after)
  await again.dispose()
  const idle = await new OnnxBackend({ threads: 1 }).open({ kind: 'adapter', base, path: adapter })
  await idle.saveAdapter!(join(scratch, 'same'))
  await idle.dispose()
  const bytes = (folder: string) => readFileSync(join(folder, 'adapter_model.safetensors'))
  expect(bytes(join(scratch, 'same'))).toEqual(bytes(adapter))
  const weights = await readSafetensors(join(merged, 'model.safetensors'))
  const own = await readSafetensors(join(base.path, 'model.safetensors'))
  const changed = [...own].filter(([name, { data }]) => data.some((value, i) => value !== weights.get(name)!.data[i])).map(([name]) => name)
  expect(changed.length).toBeGreaterThan(0)
  for (const name of changed) expect(name).toMatch(/\.(q_proj|v_proj|down_proj)\.weight$/)
})

it('snapshots stay what they were, whether they are from before the factors or from between two steps', async () => {
  const policy = await new OnnxBackend({ threads: 1 }).open(base)
  const plain = await policy.logProbs(groups)
  const before = await policy.snapshot()
  await policy.prepareTraining!({ lora })
  await train(policy, 2)
  const middle = await policy.logProbs(groups)
  const between = await policy.snapshot()
  await train(policy, 2)
  expect(largestDifference(await policy.logProbs(groups), middle)).toBeGreaterThan(0.01)
  expect(await before.logProbs(groups)).toEqual(plain)
  expect(await between.logProbs(groups)).toEqual(middle)
  await policy.dispose()
})

it.each([
  ['activations computed again', { activationMemory: 'recompute' }, 1e-4],
  ['two engines', { threads: 2 }, 1e-4],
  ['small micro-batches', { microBatchTokens: 12 }, 1e-4],
] as const)('%s: the same factors, dropout included', async (_, options, bound) => {
  const factors = async (given: OpenOptions) => {
    const policy = await trainee(base, { ...lora, dropout: 0.25 }, given)
    await policy.forwardBackward(groups, objective)
    await policy.optimStep({ ...fast, epsilon: 1 })
    await policy.forwardBackward(groups, objective)
    await policy.optimStep({ ...fast, epsilon: 1 })
    const folder = mkdtempSync(join(scratch, 'factors-'))
    rmSync(folder, { recursive: true })
    await policy.saveAdapter!(folder)
    await policy.dispose()
    return readSafetensors(join(folder, 'adapter_model.safetensors'))
  }
  const [plain, other] = [await factors({}), await factors(options)]
  for (const [name, { data }] of plain) {
    const scale = Math.max(...data.map(Math.abs))
    expect(Math.max(...data.map((value, i) => Math.abs(value - other.get(name)!.data[i]!))) / scale).toBeLessThan(bound)
  }
})

it.each([
  [{ rank: 1000 }, 'PLUMB_LORA_RANK'],
  [{ targetModules: ['w_pack'] }, 'PLUMB_LORA_TARGET'],
] as const)('%j is refused', async (change, code) => {
  const policy = await new OnnxBackend({ threads: 1 }).open(base)
  await expect(policy.prepareTraining!({ lora: { ...lora, ...change } })).rejects.toMatchObject({ code })
  await policy.dispose()
})

it('an adapter of another rank is not trained on, and a model without one has none to save', async () => {
  const policy = await trainee()
  const path = join(scratch, 'rank-2')
  await policy.saveAdapter!(path)
  await policy.dispose()
  const other = await new OnnxBackend({ threads: 1 }).open({ kind: 'adapter', base, path })
  await expect(other.prepareTraining!({ lora: { ...lora, rank: 3 } })).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_DIFFERS' })
  await other.dispose()
  const plain = await new OnnxBackend({ threads: 1 }).open(base)
  await expect(plain.saveAdapter!(join(scratch, 'none'))).rejects.toThrow('no adapter')
  await plain.dispose()
})

describe('which inputs are dropped', () => {
  const prompt = [1, 2, 3, 4, 5]
  const packed = [
    { id: 'a', prompt, completions: [[6, 7, 8, 9], [6], [9, 8, 7]], selected: [0, 1, 2] },
    { id: 'b', prompt, completions: [[6, 7, 8, 9]], selected: [0] },
  ]
  const batch = packGroups(packed)
  const keys = rowKeys(packed, batch)
  const WIDTH = 4000

  it('is as likely as asked for, without regard to neighbours', () => {
    const kept = new Dropout(1, 0.3).kept('m', 0, keys, WIDTH)
    const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length
    // Four standard errors of a binomial.
    expect(Math.abs(mean - 0.7)).toBeLessThan(4 * Math.sqrt(0.21 / kept.length))
    const columns = (shift: number) => kept.reduce((sum, value, i) => sum + (value - 0.7) * (kept[(i + shift) % kept.length]! - 0.7), 0)
    for (const shift of [1, 2, 64, WIDTH, 3 * WIDTH]) {
      expect(Math.abs(columns(shift) / kept.length / 0.21)).toBeLessThan(4 / Math.sqrt(kept.length))
    }
  })

  it('follows from seed, step, module, group and place, and from each of them', () => {
    const row = (dropout: Dropout, module: string, step: number, r: number) =>
      dropout.kept(module, step, keys.subarray(2 * r, 2 * r + 2), 64).join('')
    const rows = Array.from({ length: batch.rows }, (_, r) => row(new Dropout(1, 0.5), 'm', 0, r))
    expect(new Set(rows).size).toBe(batch.rows)
    const first = rows[0]
    expect(row(new Dropout(1, 0.5), 'm', 0, 0)).toBe(first)
    expect(row(new Dropout(2, 0.5), 'm', 0, 0)).not.toBe(first)
    expect(row(new Dropout(1, 0.5), 'm', 1, 0)).not.toBe(first)
    expect(row(new Dropout(1, 0.5), 'n', 0, 0)).not.toBe(first)
  })

  it('is the same for a completion that is packed alone', () => {
    const alone = [{ id: 'a', prompt, completions: [[9, 8, 7]], selected: [2] }]
    const own = packGroups(alone)
    const lone = rowKeys(alone, own)
    const at = (all: Uint32Array, row: number) => [...all.subarray(2 * row, 2 * row + 2)]
    for (const t of [0, 1]) expect(at(lone, own.completionSlots[t]!)).toEqual(at(keys, batch.completionSlots[batch.maxCompletion + t]!))
    for (const [t] of prompt.entries()) expect(at(lone, own.promptSlots[t]!)).toEqual(at(keys, batch.promptSlots[t]!))
  })
})
