import path from 'node:path'
import type { ResolvedConfig, ResolvedSource } from '../config/resolve'
import type { Config } from '../config/schema'
import { TOKENS } from '../plugins/tokens'
import type { SourcesEntry } from '../run/log'
import type { DataSet, RunData } from './data'

/** Where the records lie that the keys of this run know by their content, and the model. */
export function sourcesOf(
  { config, data: { train, questions, validation = [], test }, context }: ResolvedConfig,
  data: RunData,
): SourcesEntry {
  const { configFolder } = context.get(TOKENS.run)
  const shown = (file: string): string => {
    const relative = path.relative(configFolder, file)
    return relative.startsWith('..') || path.isAbsolute(relative) ? path.basename(file) : relative.split(path.sep).join('/')
  }
  const entry = (source: string, { hash, records }: DataSet, from: readonly ResolvedSource[]) => {
    return { source, hash, records: records.length, files: from.map((each) => shown(each.path)) }
  }
  return {
    model: modelTitle(config, shown),
    sources: [
      entry('data.train', data.train, train),
      ...(data.questions === data.train ? [] : [entry('data.questions', data.questions, questions)]),
      ...(data.validation ? [entry('data.validation', data.validation, validation)] : []),
      ...data.tests.map((set, t) => entry(set.title, set, test.slice(t, t + 1))),
    ],
  }
}

/** The model that a run starts from, for people. */
export function modelTitle({ model }: Config, shown: (file: string) => string = (file) => file): string {
  if (typeof model === 'string') return shown(model)
  if ('base' in model) return `${shown(model.base)} with ${shown(model.adapter)}`
  const { model_type: type = 'model' } = model.architecture
  return `${String(type)} from scratch`
}
