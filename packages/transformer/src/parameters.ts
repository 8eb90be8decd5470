import type { ParameterSpec } from './architecture'
import { architectureOf } from './families'
import type { ModelConfig } from './model-config'

/**
 * Every parameter of a model by its Hugging Face name, with its shape, in the order of the computation. Matrices are
 * [out, in]. With tied embeddings there is no head of its own: it is the embedding table.
 *
 * One after the other: a config may claim more layers than there is memory for their names.
 */
export function* parameterList(config: ModelConfig): Generator<ParameterSpec> {
  const { names, layerParameters, finalParameters } = architectureOf(config)
  const { vocabSize, hiddenSize, maxPositions } = config
  yield { name: names.embedding, shape: [vocabSize, hiddenSize], initial: 'normal' }
  if (names.positions !== undefined) yield { name: names.positions, shape: [maxPositions, hiddenSize], initial: 'normal' }
  for (let layer = 0; layer < config.layers; layer++) yield* layerParameters(config, layer)
  yield* finalParameters(config)
  if (!config.tiedEmbeddings) yield { name: names.head, shape: [vocabSize, hiddenSize], initial: 'normal' }
}

/** Shapes by name, in the order of {@link parameterList}. */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  return new Map(Array.from(parameterList(config), ({ name, shape }) => [name, shape]))
}

/** Numbers in a model; a tied head counts once. All layers of a family have the same sizes. */
export function parameterCount(config: ModelConfig): number {
  const sum = (parts: Iterable<ParameterSpec>) => [...parts].reduce((total, { shape }) => total + elements(shape), 0)
  return sum(parameterList({ ...config, layers: 0 })) + config.layers * sum(architectureOf(config).layerParameters(config, 0))
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** The token embeddings. [vocabulary, d] */
export const embeddingName = (config: Pick<ModelConfig, 'modelType'>): string => architectureOf(config).names.embedding

/** The matrix that turns hidden states into logits. [vocabulary, d] */
export function headName(config: Pick<ModelConfig, 'modelType' | 'tiedEmbeddings'>): string {
  const { names } = architectureOf(config)
  return config.tiedEmbeddings ? names.embedding : names.head
}
