import { openTrainingState, writeTrainingState } from '@plumbline/transformer'
import type { ParameterStore } from './parameters'

/** Writes weights, moments and the step count, whole or not at all. */
export async function writeState(folder: string, { parameters, weights, step }: ParameterStore): Promise<void> {
  const part = (of: 'mean' | 'variance') => new Map(parameters.map(({ name, shape, [of]: data }) => [name, { shape, data }]))
  await writeTrainingState(folder, { weight: weights, mean: part('mean'), variance: part('variance'), step })
}

/** Reads what `writeState` wrote straight into the store's arrays; nothing is read before everything has been checked. */
export async function readState(folder: string, store: ParameterStore): Promise<void> {
  const shapes = new Map([...store.weights].map(([name, { shape }]) => [name, shape]))
  const { frozen, moments } = store
  const { step, read } = await openTrainingState(folder, { parameters: shapes, frozen, moments })
  // First: it moves the weights.
  const { parameters } = store
  for (const [name, { data }] of store.weights) await read('weight', name, data)
  for (const { name, mean, variance } of parameters) {
    await read('mean', name, mean)
    await read('variance', name, variance)
  }
  store.step = step
}
