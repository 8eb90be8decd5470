/**
 * What an engine and the command line need of core at once: errors, files that appear whole, random streams, and the types of the seams. `@plumbline/core/base` loads nothing else, where
 * `@plumbline/core` loads the configuration's schemas and the losses' tensors: an engine's worker thread starts in a tenth of the time.
 */
export * from './errors'
export { eventLine, headerLine } from './run/event-lines'
export { randomStreams } from './util/random'
export { closest, suggestion } from './util/suggest'
export { shownPath } from './util/shown-path'
export {
  isFolder,
  leftoversIn,
  makeFolder,
  removeLeftovers,
  removeWhole,
  replaceFile,
  replaceFolder,
  syncFolder,
  writeDurably,
  writeFileAtomic,
} from './util/atomic'
export { printable } from './util/printable'
export { roundName } from './run/round-name'
export { isNestedTooDeep, shownValue } from './util/nesting'
export * from './util/model-files'
export * from './util/regular-file'
export { frozenParameters } from './train/freeze'
export { isTarget, loraModules } from './train/lora'
export type * from './seams/policy'
export type * from './seams/tokenizer'
