import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { modelSource, type PluginRegistry } from '@plumbline/core'

/** What a configuration is written after. */
export interface ModelLook {
  readonly contextLength: number
  /** Whether it has a chat template, so that questions can be asked as a user asks them. */
  readonly hasChatTemplate: boolean
}

/**
 * Opens a model's configuration and tokenizer, not its weights.
 * @throws PlumbError PLUMB_MODEL_MISSING and those of the engine, for a model that it cannot run.
 */
export async function lookAtModel(folder: string, registry: PluginRegistry): Promise<ModelLook | undefined> {
  const source = await modelSource(resolve(folder))
  const { factory } = registry.find('backend', 'onnx')
  const context = registry.openRun({ folder: process.cwd(), configFolder: process.cwd(), seed: 0 })
  const facts = await factory.create(factory.options.parse({}), context).inspect?.(source)
  return facts && { contextLength: facts.contextLength, hasChatTemplate: facts.tokenizer.renderChat !== undefined }
}

/** Model folders that lie where one would look for them: here, in `model`, and below `models`. */
export function modelsNear(folder: string): string[] {
  const below = join(folder, 'models')
  const names = existsSync(below) ? readdirSync(below).map((name) => join('models', name)) : []
  return ['model', ...names]
    .filter((name) => ['config.json', 'tokenizer.json'].every((file) => existsSync(join(folder, name, file))))
    .sort()
}
