import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, Backend, Generation, LoraPlan, ModelSource, Objective, OpenOptions, Policy } from '@plumbline/core'
import { loadModelConfig, readAdapter, readSafetensors, writeAdapter, type Factors } from '@plumbline/transformer'
import { expectedCase, ModelFolders } from '../../../transformer/test/families/fixtures'
import { onlyTokens } from './family-checks'

const folders = new ModelFolders()
const scratch = mkdtempSync(join(tmpdir(), 'plumbline-lora-policy-'))
afterAll(() => {
  folders.dispose()
  rmSync(scratch, { recursive: true })
})

const CASE = 'qwen2'
const { groups: cases } = expectedCase(CASE)
const groups = cases.map(onlyTokens)
const base = { kind: 'folder', path: folders.copy(CASE) } as const
const lora: LoraPlan = { rank: 2, alpha: 16, rslora: false, dropout: 0, targetModules: ['q_proj', 'v_proj', 'down_proj'], seed: 11 }
const fast: AdamWOptions = { learningRate: 0.05, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }
const objective: Objective = (batch) => ({
  loss: 0,
  cotangents: batch.map(({ index }) => cases[index]!.cotangents.map((weights) => Float32Array.from(weights))),
})

/** The same with its value. */
const scored: Objective = (batch) => ({
  ...objective(batch),
  loss: batch.reduce(
    (sum, { index, tokenLogProbs }) =>
      sum +
      tokenLogProbs.reduce(
        (part, tokens, c) => part + tokens!.reduce((own, value, t) => own + value * cases[index]!.cotangents[c]![t]!, 0),
        0,
      ),
    0,
  ),
})

const scoredBy = async (policy: Policy) => (await policy.logProbs(groups)).map((tokenLogProbs, index) => ({ index, tokenLogProbs }))

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

/**
 * What every policy owes its caller that trains an adapter.
 * @param splits ways to cut a step otherwise, none of which changes it.
 * @param averagedSteps draws that the loss under dropout is averaged over. What is drawn follows from a seed, so that a slow engine may do with fewer.
 */
export function testAdapterPolicy(backend: Backend, splits: readonly (readonly [string, OpenOptions])[], averagedSteps = 30): void {
  async function trainee(source: ModelSource = base, plan: LoraPlan = lora, options: OpenOptions = {}): Promise<Policy> {
    const policy = await backend.open(source, options)
    await policy.prepareTraining!({ lora: plan })
    return policy
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
      const opened = await backend.open(source)
      expect(largestDifference(await opened.logProbs(groups), after)).toBeLessThan(2e-5)
      expect(await greedy(opened)).toEqual(text)
      await opened.dispose()
    }
    // Trained on, it begins where it ended, and unreadied it is handed on as it is.
    const again = await trainee({ kind: 'adapter', base, path: adapter })
    expect(await again.logProbs(groups)).toEqual(after)
    await again.dispose()
    const idle = await backend.open({ kind: 'adapter', base, path: adapter })
    await idle.saveAdapter!(join(scratch, 'same'))
    await idle.dispose()
    const bytes = (folder: string) => readFileSync(join(folder, 'adapter_model.safetensors'))
    expect(bytes(join(scratch, 'same'))).toEqual(bytes(adapter))
    const weights = await readSafetensors(join(merged, 'model.safetensors'))
    const own = await readSafetensors(join(base.path, 'model.safetensors'))
    const changed = [...own]
      .filter(([name, { data }]) => data.some((value, i) => value !== weights.get(name)!.data[i]))
      .map(([name]) => name)
    expect(changed.length).toBeGreaterThan(0)
    for (const name of changed) expect(name).toMatch(/\.(q_proj|v_proj|down_proj)\.weight$/)
  })

  it('snapshots stay what they were, whether they are from before the factors or from between two steps', async () => {
    const policy = await backend.open(base)
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

  it.each(splits)('%s: the same factors, dropout included', async (_, options) => {
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
      expect(Math.max(...data.map((value, i) => Math.abs(value - other.get(name)!.data[i]!))) / scale).toBeLessThan(1e-4)
    }
  })

  it('dropout: the gradient is that of the loss which is computed', async () => {
    const plan = { ...lora, dropout: 0.4 }
    const first = await trainee(base, plan)
    await train(first, 1)
    const path = join(scratch, 'before-dropping')
    await first.saveAdapter!(path)
    await first.dispose()
    const adapter = await readAdapter(path, await loadModelConfig(base, { vocabularySize: 0 }))

    // What is dropped follows from the step, which is the first one of each of these.
    const opened = await trainee({ kind: 'adapter', base, path }, plan)
    const { loss } = await opened.forwardBackward(groups, scored)
    expect(Math.abs(loss - scored(await scoredBy(opened)).loss)).toBeGreaterThan(1e-3)
    await opened.optimStep({ ...fast, learningRate: 1e-12, betas: [0, 0.999], epsilon: 1 })
    const state = join(scratch, 'dropping-state')
    await opened.saveState(state)
    await opened.dispose()
    const gradients = await readSafetensors(join(state, 'training-state.safetensors'))

    const lossAt = async (factor: 'A' | 'B', by: number): Promise<number> => {
      const moved = [...adapter.factors].map(([module, own]): [string, Factors] => {
        const gradient = gradients.get(`mean.${module}.lora_${factor}.weight`)!.data
        return [module, { ...own, [factor]: { ...own[factor], data: own[factor].data.map((value, i) => value + by * gradient[i]!) } }]
      })
      const folder = join(scratch, `moved-${factor}-${by}`)
      await writeAdapter(folder, { ...adapter, factors: new Map(moved) })
      const policy = await trainee({ kind: 'adapter', base, path: folder }, plan)
      const report = await policy.forwardBackward(groups, scored)
      await policy.dispose()
      return report.loss
    }
    for (const factor of ['A', 'B'] as const) {
      const own = [...gradients].filter(([name]) => name.startsWith('mean.') && name.endsWith(`lora_${factor}.weight`))
      const square = own.reduce((sum, [, { data }]) => sum + data.reduce((part, g) => part + g * g, 0), 0)
      expect(square).toBeGreaterThan(0)
      // A step of this length along the gradient.
      const by = 0.01 / Math.sqrt(square)
      const slope = ((await lossAt(factor, by)) - (await lossAt(factor, -by))) / (2 * by)
      expect(Math.abs(slope / square - 1)).toBeLessThan(0.01)
    }
  })

  it('dropout: what is kept counts for what is dropped, so that the mean over steps is the loss without dropout', async () => {
    const first = await trainee()
    const ofBase = scored(await scoredBy(first)).loss
    await train(first, 1)
    const path = join(scratch, 'before-averaging')
    await first.saveAdapter!(path)
    await first.dispose()
    // Small, so that the loss is about linear in what the factors add.
    const adapter = await readAdapter(path, await loadModelConfig(base, { vocabularySize: 0 }))
    for (const { B } of adapter.factors.values()) for (const i of B.data.keys()) B.data[i]! *= 0.05
    const small = join(scratch, 'small')
    await writeAdapter(small, adapter)
    const opened = await trainee({ kind: 'adapter', base, path: small }, { ...lora, dropout: 0.5 })
    const whole = scored(await scoredBy(opened)).loss
    let sum = 0
    for (let step = 0; step < averagedSteps; step++) {
      sum += (await opened.forwardBackward(groups, scored)).loss
      // Draws anew, and changes nothing else.
      await opened.optimStep({ ...fast, learningRate: 0 })
    }
    await opened.dispose()
    const ratio = (sum / averagedSteps - ofBase) / (whole - ofBase)
    // 0.5 if what is kept counted once.
    expect({ ratio, isNear: Math.abs(ratio - 1) < 0.15 }).toMatchObject({ isNear: true })
  }, 120_000)

  it.each([
    [{ rank: 1000 }, 'PLUMB_LORA_RANK'],
    [{ targetModules: ['w_pack'] }, 'PLUMB_LORA_TARGET'],
  ] as const)('%j is refused', async (change, code) => {
    const policy = await backend.open(base)
    await expect(policy.prepareTraining!({ lora: { ...lora, ...change } })).rejects.toMatchObject({ code })
    await policy.dispose()
  })

  it('an adapter of another rank is not trained on, and a model without one has none to save', async () => {
    const policy = await trainee()
    const path = join(scratch, 'rank-2')
    await policy.saveAdapter!(path)
    await policy.dispose()
    const other = await backend.open({ kind: 'adapter', base, path })
    await expect(other.prepareTraining!({ lora: { ...lora, rank: 3 } })).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_DIFFERS' })
    await other.dispose()
    const plain = await backend.open(base)
    await expect(plain.saveAdapter!(join(scratch, 'none'))).rejects.toThrow('no adapter')
    await plain.dispose()
  })
}
