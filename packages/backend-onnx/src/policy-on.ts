import type { ModelSource, Tokenizer } from '@plumbline/core/base'
import { parameterShapes, type ModelConfig, type TokenizerIds } from '@plumbline/transformer'
import { deviceRowLimits } from './device/limits'
import { checkpointedAbove, rowLimits } from './memory-plan'
import { OnnxPolicy } from './onnx-policy'
import type { OnnxOptions } from './options'
import type { EngineClient } from './worker/client'
import type { EngineSettings } from './worker/engine'
import { EngineTeam } from './worker/team'

/** Engines without a model yet. */
export interface Engines {
  readonly engines: readonly EngineClient[]
  readonly engineSettings: EngineSettings
  /** The device by its own name. */
  readonly name: string
}

/** A model as engines are given it. */
export interface EngineModel {
  readonly source: ModelSource
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  /** Of the tokenizer, what the model's files are read with; its own when absent. */
  readonly ids?: TokenizerIds
}

/** Opens a model on engines, and cuts its micro-batches as the model and the options have it. */
export async function policyOn(
  { source, config, tokenizer, ids = tokenizer }: EngineModel,
  { engines, engineSettings, name }: Engines,
  { microBatchTokens: asked, activationMemory = 'keep', activationCheckpointing = 'auto' }: OnnxOptions,
): Promise<OnnxPolicy> {
  const isCpu = engineSettings.device === 'cpu'
  const { team, opened } = await EngineTeam.open(source, ids, engineSettings, engines)
  const { rowBytes, ...model } = opened
  const { microBatch, lone } = isCpu
    ? rowLimits(model.parameters, rowBytes, asked)
    : deviceRowLimits(config, model.parameters, rowBytes, asked)
  return new OnnxPolicy(team, { ...model, engine: `onnx (${name})` }, tokenizer, [...parameterShapes(config).keys()], {
    microBatchTokens: microBatch,
    loneGroupTokens: lone,
    activationMemory,
    checkpointedAbove: isCpu ? checkpointedAbove(activationCheckpointing, model.parameters, rowBytes, asked) : Infinity,
  })
}
