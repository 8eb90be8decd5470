import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  PlumbError,
  randomStreams,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core'
import { z } from 'zod'
import { readNumbers } from './files'
import { Table } from './table'
import { CONTEXT_LENGTH, TablePolicy } from './table-policy'
import { CharacterTokenizer } from './tokenizer'

export const tableOptions = z.strictObject({
  groupsAtOnce: z.int().positive().default(8).describe('Questions of one micro-batch: more are quicker and take more memory.'),
})

/** Step 2: open models. This one knows a table of which character follows which, from random weights or from its own folders. */
export class TableBackend implements Backend {
  readonly name = 'template-name'

  constructor(private readonly options: z.output<typeof tableOptions> = tableOptions.parse({})) {}

  /** Whether it can run here. Must not load a model. */
  async probe(): Promise<BackendProbe> {
    return { usable: true, device: 'CPU, 1 thread', kind: 'cpu', detail: 'a table of characters, in JavaScript' }
  }

  /** What tokenising needs: commands that train nothing then read no weights. */
  async inspect(model: ModelSource): Promise<ModelFacts> {
    await configOf(model)
    return { tokenizer: new CharacterTokenizer(), contextLength: CONTEXT_LENGTH }
  }

  async open(model: ModelSource, options: OpenOptions = {}): Promise<Policy> {
    if (options.device !== undefined && options.device !== 'cpu')
      throw new PlumbError('PLUMB_DEVICE_UNSUPPORTED', `There is no device "${options.device}" here; expected "cpu".`)
    await configOf(model)
    const tokenizer = new CharacterTokenizer()
    const { vocabularySize: size } = tokenizer
    const weights = model.kind === 'folder' ? await readNumbers(join(model.path, 'weights.bin'), size * size) : randomWeights(size, model)
    return new TablePolicy(new Table(weights, size), tokenizer, this.options.groupsAtOnce)
  }
}

function randomWeights(size: number, model: ModelSource): Float64Array {
  const uniform = randomStreams(model.kind === 'scratch' ? model.seed : 0)('table')
  return Float64Array.from({ length: size * size }, () => 0.2 * (uniform() - 0.5))
}

/** @throws PlumbError where the source is no model of this backend. */
async function configOf(model: ModelSource): Promise<void> {
  if (model.kind === 'scratch') return
  if (model.kind === 'adapter') throw new PlumbError('PLUMB_LORA_UNSUPPORTED', 'This backend has no adapters.', model.path)
  const file = join(model.path, 'config.json')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) throw new PlumbError('PLUMB_MODEL_NO_CONFIG', 'The model folder has no config.json.', model.path)
  const { model_type: type } = JSON.parse(text) as { readonly model_type?: unknown }
  if (type !== 'table')
    throw new PlumbError('PLUMB_MODEL_UNSUPPORTED', `model_type ${JSON.stringify(type)} is not supported; supported: table.`, file)
}
