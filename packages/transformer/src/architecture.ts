import type { Fields } from './fields'
import type { ModelConfig } from './model-config'
import type { Ops } from './ops'

/** A weight by its Hugging Face name. */
export type WeightLookup<T> = (name: string) => T

/** Attention of one layer over queries, keys and values before rotary embedding; the caller knows positions and cached keys. */
export type Attend<T> = (q: T, k: T, v: T) => T

/** One parameter, as an engine holds it. */
export interface ParameterSpec {
  readonly name: string
  /** Matrices are [out, in]. */
  readonly shape: readonly number[]
  /**
   * What it is before training: normal(0, `initializer_range`), the same for a projection that adds to the residual stream (its deviation
   * may be divided by √(2·layers)), or a number.
   */
  readonly initial: 'normal' | 'residual' | number
  /** Files hold the matrix as [in, out]. */
  readonly isTransposed?: boolean
}

/** The parameters outside of the layers. */
export interface OuterNames {
  /** Token embeddings, which are the output head too where it is tied. */
  readonly embedding: string
  readonly head: string
  /** Learned positions, where the family has them. */
  readonly positions?: string
}

/** What one layer is computed from and with. */
export interface LayerContext<T> {
  readonly ops: Ops<T>
  readonly config: ModelConfig
  readonly weights: WeightLookup<T>
  /** Counts from 0. */
  readonly layer: number
  readonly attend: Attend<T>
  /** Drops rows whose output nobody reads, after keys and values were made from all of them. */
  readonly narrow: (x: T) => T
}

/**
 * A family of models: what its `config.json` says, which parameters it has and what it computes. One file of `families` each; to add one
 * is that file, its line in `families/index.ts`, and a fixture of transformers' numbers.
 */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string
  /** transformers' class, as config.json names it under `architectures`. */
  readonly className: string
  /** Fields of config.json that are read beyond those of every family; a from-scratch architecture may hold these and no others. */
  readonly fields: readonly string[]
  /** @throws PlumbError PLUMB_MODEL_UNSUPPORTED for what is not computed, PLUMB_MODEL_CONFIG for what is malformed. */
  read(fields: Fields): ModelConfig
  readonly names: OuterNames
  /** Parameters of one layer, in the order of the computation. */
  layerParameters(config: ModelConfig, layer: number): readonly ParameterSpec[]
  /** Parameters between the last layer and the head. */
  finalParameters(config: ModelConfig): readonly ParameterSpec[]
  /** x [n, d] → [n, d]; fewer rows where `narrow` drops some. */
  layer<T>(context: LayerContext<T>, x: T): T
  /** What stands between the last layer and the head. */
  final<T>(ops: Ops<T>, config: ModelConfig, weights: WeightLookup<T>, x: T): T
  /**
   * The parameter that a tensor of a file is, where files of this family have other names too; undefined for one that holds what is
   * computed here.
   */
  readonly ofFile?: (name: string) => string | undefined
}
