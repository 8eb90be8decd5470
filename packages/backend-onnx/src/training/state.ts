import { readTrainingState, writeTrainingState } from '@plumbline/transformer'
import type { ParameterStore } from './parameters'

/** Writes weights, moments and the step count, whole or not at all. */
export async function writeState(folder: string, { parameters, weights, step }: ParameterStore): Promise<void> {
  const part = (of: 'mean' | 'variance') => new Map(parameters.map(({ name, shape, [of]: data }) => [name, { shape, data }]))
  await writeTrainingState(folder, { weight: weights, mean: part('mean'), variance: part('variance'), step })
}

/** Reads what `writeState` wrote into the store's arrays; the store is unchanged when anything is wrong. */
export async function readState(folder: string, store: ParameterStore): Promise<void> {
  const { parameters, frozen } = store
  const shapes = new Map([...store.weights].map(([name, { shape }]) => [name, shape]))
  const state = await readTrainingState(folder, { parameters: shapes, frozen })
  for (const [name, { data }] of store.weights) data.set(state.weight.get(name)!.data)
  for (const part of ['mean', 'variance'] as const) {
    for (const parameter of parameters) parameter[part].set(state[part].get(parameter.name)!.data)
  }
  store.step = state.step
}
