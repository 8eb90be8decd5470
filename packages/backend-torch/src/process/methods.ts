import type { AdamWOptions, LinearModule, TrainingPlan } from '@plumbline/core/base'
import type { TorchAttention } from '../options'

/** How moments are held between steps. */
export type MomentType = NonNullable<TrainingPlan['moments']>

/** What the Python side is asked, and what it gives; `host.py` and `session.py` answer. Arrays stand beside both. */
export interface Methods {
  describe: { readonly params: { readonly device: string }; readonly result: DeviceFacts }
  inspect: { readonly params: { readonly folder: string }; readonly result: ModelShapes }
  open: { readonly params: OpenParams; readonly result: Opened }
  close: Call<object>
  /** arrays: tokens → log-probs */
  log_probs: Call<{ readonly groups: readonly GroupShape[]; readonly snapshot?: number }>
  /** arrays: tokens, words of the draws → log-probs */
  forward: Call<{ readonly groups: readonly GroupShape[]; readonly keep: boolean }>
  /** arrays: cotangents */
  backward: Call<object>
  drop: Call<object>
  /** arrays: factors, where new ones are trained */
  prepare_training: Call<{ readonly frozen: readonly string[]; readonly lora?: FactorShape; readonly moments: MomentType }>
  /** arrays: factors */
  adapt: Call<FactorShape>
  /** → factors */
  factors: Call<object>
  optim_step: Call<AdamWOptions, { readonly gradNorm: number; readonly steps: number }>
  snapshot: Call<object, number>
  release_snapshot: Call<{ readonly snapshot: number }>
  save_weights: Call<{ readonly file: string }>
  save_state: Call<{ readonly file: string }, { readonly crc32: number; readonly step: number }>
  load_state: Call<{ readonly file: string; readonly step: number }>
  peak_bytes: Call<object, number>
  begin_sampling: Call<SamplingParams, number>
  /** arrays: tokens, uniforms of all slots → tokens of all slots */
  start_rows: Call<{ readonly groups: readonly GroupShape[]; readonly slots: readonly (readonly number[])[] }>
  /** arrays: tokens, positions, uniforms → tokens */
  step_rows: Call<{ readonly moves: readonly (readonly [from: number, to: number])[] }>
  end_sampling: Call<object>
}

interface Call<Params, Result = null> {
  readonly params: Params & { readonly model: number }
  readonly result: Result
}

export interface DeviceFacts {
  readonly kind: 'cuda' | 'mps' | 'cpu'
  readonly name: string
  readonly versions: Readonly<Record<string, string>>
}

export interface ModelShapes {
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]
  readonly linearModules: readonly LinearModule[]
  /** Numbers in the model. */
  readonly count: number
}

export interface OpenParams {
  readonly folder: string
  readonly device: string
  readonly dtype: 'bf16' | 'f32'
  /** Activations are computed again for the backward pass. */
  readonly recompute: boolean
  readonly attention: TorchAttention
  /** `full`: each of several ranks holds a part of the weights. */
  readonly sharding: 'none' | 'full'
  readonly compile: boolean
  readonly threads?: number
}

export interface Opened extends ModelShapes {
  readonly model: number
  /** Whether the head is the embedding table. */
  readonly tied: boolean
  readonly architecture: string
  readonly vocabulary: number
  readonly device: string
  /** Why rows are padded, where they are. */
  readonly paddedBecause: string | null
  /** What computes attention in packed rows. */
  readonly attention: Exclude<TorchAttention, 'padded'>
  /** Why that is not what was asked for, where it is not. */
  readonly attentionBecause: string | null
  /** How many ranks hold the weights in parts; 1 where each holds them all. */
  readonly ranks: number
  /** Parameters that are [in, out] there and [out, in] in training states. */
  readonly transposed: readonly string[]
  /** Tokens of a micro-batch that fit the device. */
  readonly microBatchRows: number
}

/** A group by its lengths; its tokens stand in an array, prompt first, then its completions. */
export interface GroupShape {
  readonly prompt: number
  readonly completions: readonly number[]
  /** Which of the question's completions these are. */
  readonly selected: readonly number[]
  /** What it is known by in draws. */
  readonly key?: readonly [number, number]
}

export interface FactorShape {
  readonly modules: readonly string[]
  readonly rank: number
  readonly scaling: number
  readonly dropout: number
}

export interface SamplingParams {
  /** Rows that there is work for. */
  readonly wanted: number
  /** Longest prompt with its completion. */
  readonly capacity: number
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
}
