import { architectureNamed } from './families'
import { Fields } from './fields'
import type { ConfigJson } from './config-json'
import type { ModelConfig } from './model-config'

/**
 * Reads a `config.json` of any family in `families`. Absent fields get the defaults of transformers, except the dimensions, which must
 * be there.
 *
 * @param where names the source in errors, e.g. the file's path.
 * @throws PlumbError PLUMB_MODEL_UNSUPPORTED for an architecture or option this model code does not compute,
 *   PLUMB_MODEL_CONFIG for a field that is missing or malformed.
 */
export function parseModelConfig(json: ConfigJson, where: string): ModelConfig {
  const fields = new Fields(json, where)
  return architectureNamed(fields).read(fields)
}
