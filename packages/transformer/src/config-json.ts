/** The fields of a `config.json`, by their Hugging Face names. */
export type ConfigJson = Readonly<Record<string, unknown>>
