import type { AdamWOptions, GenerationPrompt, LoraPlan, ModelSource, Sampling, Tokenizer } from '@plumbline/core/base'
import type { Adapter, MomentType, PackedGroup, UntokenizedModel, Weights, WeightSource } from '@plumbline/transformer'
import type { RunOptions } from '../decode/generator'

export interface OpenModel extends Omit<UntokenizedModel, 'weights'> {
  readonly source: ModelSource
  /** The weights of what an adapter is on, or of the model where it has none. */
  openBase(): Promise<WeightSource>
  /** The same with an adapter's part in them. */
  openMerged(): Promise<WeightSource>
}

/** How weights are held that nothing trains: by `auto` as their files hold them. */
export type FrozenWeights = 'auto' | 'float32'

/** How a model's weights are held, by a device that has a choice. */
export interface WeightSettings {
  /** Whether they are not going to be trained: then as `frozenWeights` says. */
  readonly frozenBase?: boolean
  readonly frozenWeights?: FrozenWeights
  /** Whether sampling holds a copy that is packed for its products; where the weights are small, when absent. */
  readonly prepackedWeights?: boolean
}

/** What is trained, and how. */
export interface EnginePlan {
  /** Names of parameters that are not trained. */
  readonly frozen: readonly string[]
  /** Whether activations are kept for the backward pass. */
  readonly keep: boolean
  /** Whether every step is computed one layer after the other. */
  readonly byLayers?: boolean
  readonly moments?: MomentType
  /** Factors are trained, and nothing else. */
  readonly lora?: LoraPlan
}

/** A model with its optimizer state on one device. */
export interface HeldModel {
  /** @param byLayers whether it is computed one layer after the other, on the CPU alone. */
  logProbs(groups: readonly PackedGroup[], snapshot?: number, byLayers?: boolean): Promise<Float32Array>
  forward(groups: readonly PackedGroup[], keep: boolean, byLayers?: boolean): Promise<Float32Array>
  backward(cotangents: Float32Array): Promise<void>
  /** Freezes parameters, or makes the factors that are trained, and compiles what a training step runs. */
  prepareTraining(plan: EnginePlan): Promise<void>
  drop(): void
  /** The accumulated gradients of all trained parameters, one after the other. */
  takeGradients(): Promise<Float32Array>
  /** Replaces them. */
  setGradients(gradients: Float32Array): Promise<void>
  optimStep(options: AdamWOptions): Promise<number>
  generate(
    prompts: readonly GenerationPrompt[],
    sampling: Sampling,
    tokenizer: Pick<Tokenizer, 'decode'>,
    options: RunOptions,
  ): Promise<void>
  snapshot(): number
  releaseSnapshot(snapshot: number): void
  /** Today's weights in the host's memory; not to be kept. */
  weights(): Promise<Weights>
  /** Where the weights do not stand there as they are written (adapters, numbers of 16 bits): what makes each when it is read. */
  pendingWeights?(): Promise<WeightSource | undefined>
  /** Today's factors, where they stand beside the weights; not to be kept. */
  adapter(): Adapter | undefined | Promise<Adapter | undefined>
  saveState(folder: string): Promise<void>
  loadState(folder: string): Promise<void>
  release(): Promise<void>
}
