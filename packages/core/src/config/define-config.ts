import type { z } from 'zod'
import type { alignVariantSchema, ConfigInput, dataSourceSchema, labelSchema, lossEntrySchema } from './schema'
import type { DataKey } from './sources'

/** A data file, or its path alone. The options of its format stand beside its keys. */
export type WrittenSource = string | z.input<typeof dataSourceSchema>

/** One source, several in a list, or several by their names. */
export type WrittenSources = WrittenSource | readonly WrittenSource[] | Readonly<Record<string, WrittenSource>>

type Options = Readonly<Record<string, unknown>>
type VariantKeys = Partial<Omit<z.input<typeof alignVariantSchema>, 'losses'>>

/** A variant of `align`: its terms in `losses`, or one loss whose options stand beside it. */
export type WrittenVariant =
  | (VariantKeys & { readonly losses: readonly (string | z.input<typeof lossEntrySchema>)[]; readonly loss?: undefined })
  | (VariantKeys & { readonly loss: string } & Options)

/** A configuration as it may be written: without what has a default, in the short forms, with the options of plugins. */
export type WrittenConfig = Omit<ConfigInput, 'data' | 'label' | 'align'> & {
  readonly data: Omit<ConfigInput['data'], DataKey> &
    Readonly<Record<'train' | 'test', WrittenSources>> &
    Readonly<Partial<Record<'questions' | 'validation', WrittenSources>>>
  readonly label?: string | z.input<typeof labelSchema>
  readonly align: WrittenVariant | readonly WrittenVariant[]
}

/**
 * The configuration itself, checked by the compiler while it is written: `export default defineConfig({ … })` in plumbline.config.ts. What
 * types cannot say is checked when it is loaded, as for every other file.
 */
export function defineConfig(config: WrittenConfig): WrittenConfig {
  return config
}
