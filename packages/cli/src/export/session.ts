import path from 'node:path'
import type { Config as OclifConfig } from '@oclif/core'
import { baseOf, PlumbError, shownPath, withTrained, type ModelSource, type Trained } from '@plumbline/core'
import {
  hasTransposedModules,
  loadTokenizer,
  openUntokenizedModel,
  readAdapter,
  tokenizerPath,
  writeAdapter,
  writeModel,
  type StoredType,
} from '@plumbline/transformer'
import { loadAllPlugins } from '../run/plugins'
import { cardFacts, type Said } from './facts'
import { renderCard } from './card'

export interface ExportOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  readonly variant?: string
  /** The folder to write. */
  readonly out: string
  readonly dtype: StoredType
  /** Write the adapter and not what it makes with its base. */
  readonly adapterAlone: boolean
  /** What the run's records do not hold. */
  readonly said: Said
  readonly oclif: OclifConfig
}

export interface ExportedModel {
  readonly folder: string
  /** A variant, or `VFT`. */
  readonly model: string
  readonly sentence: string
}

/**
 * Writes a trained model, whole or not at all, with its card.
 * @throws PlumbError those of `withTrained`, PLUMB_EXPORT_NO_ADAPTER, and those of `writeModel` and `writeAdapter`.
 */
export async function exportModel({ configFile, overrides, variant, oclif, ...options }: ExportOptions): Promise<ExportedModel> {
  const registry = async (listed: readonly string[], folder: string) => (await loadAllPlugins(listed, folder, oclif)).registry
  return withTrained({ path: configFile, overrides, variant, registry }, (trained) => write(trained, options))
}

async function write(
  trained: Trained,
  { out, dtype, adapterAlone, said }: Omit<ExportOptions, 'configFile' | 'overrides' | 'variant' | 'oclif'>,
): Promise<ExportedModel> {
  const folder = path.resolve(out)
  const { source, name } = trained
  const { kind } = source
  const facts = await cardFacts(trained, { said, adapterAlone, dtype, title: path.basename(folder) })
  const card = new Map([['README.md', renderCard(facts)]])
  if (adapterAlone) {
    if (source.kind !== 'adapter') {
      throw new PlumbError(
        'PLUMB_EXPORT_NO_ADAPTER',
        `${name} was trained without lora: it is a model of its own and has no adapter; leave --adapter out.`,
      )
    }
    const base = await open(source.base)
    const adapter = await readAdapter(source.path, base.config)
    const baseName = facts.baseModel ?? adapter.config.baseName
    await writeAdapter(
      folder,
      { ...adapter, config: { ...adapter.config, baseName } },
      { extra: card, isTransposed: hasTransposedModules(base.config) },
    )
  } else {
    await writeModel(folder, await open(source), { dtype, extra: card })
  }
  const what = adapterAlone ? 'its adapter' : `${kind === 'adapter' ? 'merged with its base, ' : ''}${dtype}`
  return { folder, model: name, sentence: `${name} is in ${shownPath(folder)}: ${what}, with a model card in README.md.` }
}

async function open(source: ModelSource) {
  const base = baseOf(source)
  // Only random weights need to know how many tokens there are; a folder's config.json says it.
  const tokenizer = base.kind === 'scratch' ? await loadTokenizer(tokenizerPath(base)) : { vocabularySize: 0 }
  return openUntokenizedModel(source, tokenizer)
}
