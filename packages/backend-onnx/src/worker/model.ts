import type { AdamWOptions, GenerationPrompt, ModelSource, Sampling, Tokenizer } from '@plumbline/core/base'
import type { MomentType, PackedGroup, UntokenizedModel, Weights } from '@plumbline/transformer'
import type { RunOptions } from '../decode/generator'

export interface OpenModel extends Omit<UntokenizedModel, 'weights'> {
  readonly source: ModelSource
}

/** A model with its optimizer state on one device. */
export interface HeldModel {
  logProbs(groups: readonly PackedGroup[], snapshot?: number): Promise<Float32Array>
  forward(groups: readonly PackedGroup[], keep: boolean): Promise<Float32Array>
  backward(cotangents: Float32Array): Promise<void>
  /** Freezes parameters and compiles what a training step runs. */
  prepareTraining(frozen: readonly string[], keep: boolean, moments?: MomentType): Promise<void>
  drop(): void
  /** The accumulated gradients of all trained parameters, one after the other. */
  takeGradients(): Promise<Float32Array>
  /** Replaces them. */
  setGradients(gradients: Float32Array): Promise<void>
  optimStep(options: AdamWOptions): Promise<number>
  generate(prompts: readonly GenerationPrompt[], sampling: Sampling, tokenizer: Tokenizer, options: RunOptions): Promise<void>
  snapshot(): number
  releaseSnapshot(snapshot: number): void
  /** Today's weights in the host's memory; not to be kept. */
  weights(): Promise<Weights>
  saveState(folder: string): Promise<void>
  loadState(folder: string): Promise<void>
  release(): Promise<void>
}
