import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AdamWOptions, Objective, Policy, TokenGroup } from '@plumbline/core'
import { parameterList, parseModelConfig, readSafetensors, type ConfigJson } from '@plumbline/transformer'
import { expectedCase, FAMILY_CASES, fixtureFolder, textOf, type ExpectedCase } from '../../../transformer/test/families/fixtures'
import { BEYOND_CONTEXT } from '../../../transformer/test/families/pending'

type Groups = ExpectedCase['groups']

/**
 * Both sides compute in float32 and add up in another order: some units in the last place (6e-8) of numbers of the order of 10, through a few
 * layers. A feature that is left out changes log-probs by 0.02 at least (`bites` in the fixture), a thousand times as much.
 */
const LOG_PROB = 2e-5
/** Relative to the tensor's largest entry. */
const GRADIENT = 5e-5
/**
 * AdamW divides by a gradient's own size: where that is near zero, rounding decides. Still far below what a mistake does: decay of all tensors, or of
 * none, takes some of them 0.03 to 1 % elsewhere in ten steps.
 */
const TRAJECTORY = 1e-4
const DISTANCE = 2e-4

/** The first case of each family that is computed here. */
export function oneOfEachFamily(): readonly string[] {
  const cases = FAMILY_CASES.filter((name) => !BEYOND_CONTEXT.includes(name))
  const typeOf = (name: string) => (JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')) as ConfigJson).model_type
  return cases.filter((name, i) => cases.findIndex((other) => typeOf(other) === typeOf(name)) === i)
}

/** A group of a fixture as the seam takes it. */
export const onlyTokens = ({ id, prompt, completions }: TokenGroup): TokenGroup => ({ id, prompt, completions })

export async function expectLogProbs(policy: Policy, groups: Groups, expected: readonly (readonly number[][])[], bound = LOG_PROB) {
  const found = await policy.logProbs(groups.map(onlyTokens))
  const errors = expected.map((row, g) => row.map((values, c) => largestDifference(found[g]![c]!, values)))
  expect({ errors, close: errors.flat().every((error) => error < bound) }).toEqual({ errors, close: true })
}

/** As often as asked, so that an engine may take another layout for the larger batch; the cotangents are divided by that number. */
function repeated(groups: Groups, times: number): { readonly groups: TokenGroup[]; readonly objective: Objective } {
  const all = Array.from({ length: times }, (_, i) => groups.map((group) => ({ ...group, id: `${group.id}-${i}` }))).flat()
  const objective: Objective = (batch) => {
    let loss = 0
    const cotangents = batch.map(({ index, tokenLogProbs }) =>
      all[index]!.cotangents.map((weights, c) => {
        const scaled = Float32Array.from(weights, (w) => w / times)
        loss += scaled.reduce((sum, w, t) => sum + w * tokenLogProbs[c]![t]!, 0)
        return scaled
      }),
    )
    return { loss, cotangents }
  }
  return { groups: all.map(onlyTokens), objective }
}

/**
 * Gradients by the name of the tensor, through the seam: with β₁ = 0 AdamW's first moment is the gradient itself, and a training state holds it.
 * The policy is not to be used afterwards.
 */
async function gradientsOf(policy: Policy, state: string): Promise<ReadonlyMap<string, Float32Array>> {
  const still: AdamWOptions = { learningRate: 1e-12, betas: [0, 0.999], epsilon: 1, weightDecay: 0 }
  await policy.optimStep(still)
  await policy.saveState(state)
  const tensors = await readSafetensors(join(state, 'training-state.safetensors'))
  return new Map([...tensors].filter(([name]) => name.startsWith('mean.')).map(([name, { data }]) => [name.slice('mean.'.length), data]))
}

export async function expectGradients(policy: Policy, name: string, state: string, times = 1): Promise<void> {
  const { groups, loss } = expectedCase(name)
  const step = repeated(groups, times)
  const report = await policy.forwardBackward(step.groups, step.objective)
  expect(Math.abs(report.loss - loss)).toBeLessThan(1e-4 * Math.max(1, Math.abs(loss)))
  const found = await gradientsOf(policy, state)
  const expected = await readSafetensors(join(fixtureFolder(name), 'gradients.safetensors'))
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
  const config = JSON.parse(readFileSync(join(fixtureFolder(name), 'config.json'), 'utf8')) as ConfigJson
  const turned = new Set(Array.from(parameterList(parseModelConfig(config, name)), (spec) => (spec.isTransposed ? spec.name : '')))
  const errors = [...expected].map(([tensor, { data, shape }]) => {
    // An engine holds what Conv1D has as [in, out] as [out, in].
    const values = turned.has(tensor) ? transposed(data, shape) : data
    return { tensor, error: largestDifference(found.get(tensor)!, values) / largest(data) }
  })
  expect(errors.filter(({ error }) => !(error < GRADIENT))).toEqual([])
}

function transposed(data: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  return data.map((_, i) => data[(i % rows!) * columns! + Math.floor(i / rows!)]!)
}

export async function expectTrajectory(policy: Policy, name: string, saved: string): Promise<void> {
  const { groups, adamW, trajectory } = expectedCase(name)
  const step = repeated(groups, 1)
  for (const [i, expected] of trajectory.losses.entries()) {
    const { loss } = await policy.forwardBackward(step.groups, step.objective)
    const { gradNorm } = await policy.optimStep(adamW)
    expect({ step: i, loss: Math.abs(loss - expected) < TRAJECTORY * Math.max(1, Math.abs(expected)) }).toEqual({ step: i, loss: true })
    expect(Math.abs(gradNorm / trajectory.gradNorms[i]! - 1)).toBeLessThan(TRAJECTORY)
  }
  await expectLogProbs(policy, groups, trajectory.logProbs, TRAJECTORY)
  await policy.saveWeights(saved)
  const [before, after] = [await weightsIn(fixtureFolder(name)), await weightsIn(saved)]
  const wrong = Object.entries(trajectory.moved).flatMap(([tensor, expected]) => {
    const start = before.get(tensor)!.data
    const distance = Math.sqrt(after.get(tensor)!.data.reduce((sum, w, i) => sum + (w - start[i]!) ** 2, 0))
    return Math.abs(distance / expected - 1) < DISTANCE ? [] : [{ tensor, distance, expected }]
  })
  expect(wrong).toEqual([])
}

export async function expectGreedyText(policy: Policy, { greedy }: ExpectedCase): Promise<void> {
  const prompts = greedy.map(({ prompt }, i) => ({ id: `p${i}`, prompt, candidates: [0] }))
  const found = new Map<string, { tokens: readonly number[]; text: string }>()
  const sampling = { seed: 1, temperature: 0, maxNewTokens: greedy[0]!.tokens.length }
  for await (const { id, tokens, text } of policy.generate(prompts, sampling)) found.set(id, { tokens, text })
  expect(prompts.map(({ id }) => found.get(id))).toEqual(greedy.map(({ tokens }) => ({ tokens, text: textOf(tokens) })))
}

/** What an untrained model is saved as: the same names, shapes, bits and config fields. */
export async function expectSameFolder(policy: Policy, name: string, saved: string): Promise<void> {
  await policy.saveWeights(saved)
  const [expected, found] = [await weightsIn(fixtureFolder(name)), await weightsIn(saved)]
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
  const shapes = (weights: typeof found) => Object.fromEntries([...weights].map(([tensor, { shape }]) => [tensor, shape]))
  expect(shapes(found)).toEqual(shapes(expected))
  const bits = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  expect([...expected].filter(([tensor, { data }]) => !bits(data).equals(bits(found.get(tensor)!.data))).map(([tensor]) => tensor)).toEqual(
    [],
  )
  expect(configIn(saved)).toEqual(configIn(fixtureFolder(name)))
}

const weightsIn = (folder: string) => readSafetensors(join(folder, 'model.safetensors'))
const configIn = (folder: string): unknown => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** NaN where one is not a number, or where the lengths differ: below no bound. */
function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return NaN
  let most = 0
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!)
    if (!(difference <= most)) most = difference
  }
  return most
}
