import type { AlignVariant, DataSource } from '../config/schema'
import type { WeightedLoss } from '../objective/groups'
import type { PromptSource, RenderedPrompt } from '../prompt/render'
import type { DatasetReader } from '../seams/dataset'
import type { Labeler } from '../seams/labeler'
import type { Backend, OpenOptions } from '../seams/policy'
import type { Sampler } from '../seams/sampler'
import type { Tokenizer } from '../seams/tokenizer'

/** What the stages need beside the config: the plugins it names, opened. */
export interface RunDependencies {
  readonly backend: Backend
  readonly openOptions?: OpenOptions
  readonly sampler: Sampler
  readonly labeler: Labeler
  /** The losses of a variant in the order of its `losses`; `sft` is {@link ReferenceLikelihood}. */
  losses(variant: AlignVariant): readonly WeightedLoss[]
  /** The reader of a source, with the source's own options. */
  dataset(source: DataSource): DatasetReader
  /** The model's prompt for a record, as the config's `prompt` says: template or chat. */
  prompt(record: PromptSource, tokenizer: Tokenizer): RenderedPrompt
  /** Part of every artifact's key: the versions of core, of the backend and of the plugins, e.g. `core 0.1.0, onnx 0.1.0`. */
  readonly codeVersion: string
}
