import {
  alignVariantSchema,
  configSchema,
  dataSectionSchema,
  dataSourceSchema,
  evaluateSchema,
  lengthsSchema,
  loraSchema,
  promptSchema,
  sampleSectionSchema,
  trainingSchema,
} from './schema'

/** The sections of a configuration, as sentences call them. */
const SECTIONS = [
  ['the top level', configSchema],
  ['prompt', promptSchema],
  ['lengths', lengthsSchema],
  ['data', dataSectionSchema],
  ['a source of data', dataSourceSchema],
  ['sft', trainingSchema],
  ['a variant of align', alignVariantSchema],
  ['lora', loraSchema],
  ['sample', sampleSectionSchema],
  ['evaluate', evaluateSchema],
] as const

/** Where a key of ours belongs, for one that stands elsewhere; undefined for what is no key at all. */
export function homeOf(key: string): string | undefined {
  const homes = SECTIONS.filter(([, { shape }]) => Object.hasOwn(shape, key)).map(([title]) => title)
  if (homes.length === 0) return undefined
  return `It is a key of ${homes.length === 1 ? homes[0]! : `${homes.slice(0, -1).join(', ')} and ${homes.at(-1)!}`}.`
}
