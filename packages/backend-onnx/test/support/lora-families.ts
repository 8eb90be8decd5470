import { join } from 'node:path'
import type { Backend, LoraPlan, Objective } from '@plumbline/core'
import {
  initialAdapter,
  linearModules,
  mergeInto,
  readModelFolder,
  readSafetensors,
  scalingOf,
  weightOf,
  writeAdapter,
  writeModelFolder,
  type Adapter,
} from '@plumbline/transformer'
import { expectedCase, FAMILY_CASES, fixtureFolder, ModelFolders } from '../../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../../transformer/test/families/pending'
import { expectLogProbs, onlyTokens } from './family-checks'

const folders = new ModelFolders()
afterAll(() => folders.dispose())

const plan: LoraPlan = { rank: 3, alpha: 6, rslora: false, dropout: 0, targetModules: 'all-linear', seed: 5 }

/** Numbers that are not zero, so that A has a gradient too. */
function withFactors({ config, factors }: Adapter): Adapter {
  let n = 0
  for (const { B } of factors.values()) for (const i of B.data.keys()) B.data[i] = 0.02 * Math.sin(++n)
  return { config, factors }
}

/** A base and an adapter that make the case's model together: the base is W − s·B·A. */
async function taken(name: string) {
  const path = folders.copy(name)
  const { config, configJson, weights, files } = await readModelFolder(path)
  const adapter = withFactors(initialAdapter(plan, linearModules(config)))
  for (const [module, factors] of adapter.factors) mergeInto(weights.get(weightOf(module))!.data, factors, -scalingOf(adapter.config))
  const [base, folder] = [folders.fresh('base'), folders.fresh('adapter')]
  await writeModelFolder(base, { configJson, weights, files })
  await writeAdapter(folder, adapter)
  return { source: { kind: 'adapter', base: { kind: 'folder', path: base }, path: folder } as const, adapter }
}

/** By the chain rule from the gradient G of W that transformers has: s·Bᵀ·G and s·G·Aᵀ, in float64. */
function factorGradients({ config, factors }: Adapter, module: string, gradient: Float32Array) {
  const { A, B } = factors.get(module)!
  const [rank, inFeatures] = A.shape as [number, number]
  const scaling = scalingOf(config)
  const [a, b] = [new Float64Array(A.data.length), new Float64Array(B.data.length)]
  for (const [at, value] of gradient.entries()) {
    const [o, i] = [Math.floor(at / inFeatures), at % inFeatures]
    for (let r = 0; r < rank; r++) {
      a[r * inFeatures + i]! += scaling * B.data[o * rank + r]! * value
      b[o * rank + r]! += scaling * A.data[r * inFeatures + i]! * value
    }
  }
  return { A: a, B: b }
}

/**
 * Families with factors beside all of their linear layers, against `transformers`.
 * @param among all of them when absent.
 */
export function testFamilyFactors(backend: Backend, among: readonly string[] = FAMILY_CASES): void {
  const cases = FAMILY_CASES.filter((name) => among.includes(name) && !BEYOND_CONTEXT.includes(name))

  it.each(cases)(
    '%s in two parts: the log-probs of transformers, and gradients of factors that follow from its gradients',
    async (name) => {
      const { source, adapter } = await taken(name)
      const { groups } = expectedCase(name)
      const policy = await backend.open(source)
      await policy.prepareTraining!({ lora: plan })
      await expectLogProbs(
        policy,
        groups,
        groups.map(({ logProbs }) => logProbs),
      )
      const objective: Objective = (batch) => ({
        loss: 0,
        cotangents: batch.map(({ index }) => groups[index]!.cotangents.map((weights) => Float32Array.from(weights))),
      })
      await policy.forwardBackward(groups.map(onlyTokens), objective)
      // With β₁ = 0 the first moment is the gradient itself.
      await policy.optimStep({ learningRate: 1e-12, betas: [0, 0.999], epsilon: 1, weightDecay: 0 })
      const state = folders.fresh('state')
      await policy.saveState(state)
      await policy.dispose()
      const found = await readSafetensors(join(state, 'training-state.safetensors'))
      const expected = await readSafetensors(join(fixtureFolder(name), 'gradients.safetensors'))
      // The adapter alone is saved.
      expect(found.size).toBe(3 * 2 * adapter.factors.size)
      expect(adapter.factors.size).toBeGreaterThanOrEqual(4)
      for (const module of adapter.factors.keys()) {
        const own = factorGradients(adapter, module, inRows(expected.get(weightOf(module))!, name))
        for (const factor of ['A', 'B'] as const) {
          const { data } = found.get(`mean.${module}.lora_${factor}.weight`)!
          const largest = Math.max(...own[factor].map(Math.abs))
          const error = Math.max(...data.map((value, i) => Math.abs(value - own[factor][i]!))) / largest
          expect(largest).toBeGreaterThan(0)
          expect({ module, factor, error, isNear: error < 1e-4 }).toMatchObject({ isNear: true })
        }
      }
    },
  )
}

/** GPT-2's files hold matrices as [in, out]. */
function inRows({ data, shape }: { readonly data: Float32Array; readonly shape: readonly number[] }, name: string): Float32Array {
  if (!name.startsWith('gpt2')) return data
  const [rows, columns] = shape as [number, number]
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
}
