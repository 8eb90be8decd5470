import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensors, wordLevelTokenizerConfig, wordLevelTokenizerJson, writeSafetensors } from '@plumbline/transformer'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

const TRANSFORMER = join(__dirname, '../../transformer/test')
const FAMILIES = join(TRANSFORMER, 'families/fixtures')
const PEFT = join(TRANSFORMER, 'fixtures/peft')

type Json = Record<string, unknown>
const WEIGHTS = 'model.safetensors'
const ADAPTER = 'adapter/adapter_config.json'

/** Runs a project that would work, but for what is done to its files, and expects one sentence, exit code 2, and nothing begun. */
async function refused(base: string, spoil: (at: (name: string) => string) => unknown, model = 'model'): Promise<string> {
  const cwd = tinyProject(
    TINY_CONFIG.replace('model: model', `model: ${model}`)
      .replace('backend: fake', 'backend: onnx')
      .replace(/^plugins.*\n/m, ''),
  )
  const at = (name: string) => join(cwd, name)
  cpSync(base, at('model'), { recursive: true })
  const { vocab_size } = readJson(at('model/config.json')) as { vocab_size: number }
  const words = Array.from({ length: vocab_size - 4 }, (_, n) => String(n))
  writeJson(at('model/tokenizer.json'), wordLevelTokenizerJson(words))
  writeJson(at('model/tokenizer_config.json'), wordLevelTokenizerConfig())
  await spoil(at)
  const { code, stdout, stderr } = await plumb(['run', '--quiet'], { cwd })
  const found = { code, stdout, lines: stderr.trimEnd().split('\n').length, begun: existsSync(at('run')) ? readdirSync(at('run')) : [] }
  expect(found).toEqual({ code: 2, stdout: '', lines: 1, begun: [] })
  return stderr.trimEnd().replaceAll(cwd, '.')
}

const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Json
const writeJson = (file: string, value: object) => writeFileSync(file, JSON.stringify(value))
const change = (file: string, changes: Json) => writeJson(file, { ...readJson(file), ...changes })

describe('a model folder', () => {
  it.each<[string, string, (at: (name: string) => string) => unknown, RegExp]>([
    [
      'of a family that is not computed',
      'llama-plain',
      (at) => change(at('model/config.json'), { model_type: 'mamba' }),
      /^PLUMB_MODEL_UNSUPPORTED {2}\.\/model\/config\.json {2}model_type "mamba" is not supported; supported: llama, .*gpt2\.$/,
    ],
    [
      'whose tensors are another family, which lacks some',
      'llama-plain',
      (at) => change(at('model/config.json'), { model_type: 'qwen3' }),
      /^PLUMB_MODEL_TENSOR_MISSING {2}\.\/model {2}Tensor model\.layers\.0\.self_attn\.q_norm\.weight is missing; expected shape \[4\]\.$/,
    ],
    [
      'whose tensors are another family, which has more',
      'qwen2',
      (at) => change(at('model/config.json'), { model_type: 'llama' }),
      /^PLUMB_MODEL_TENSOR_UNEXPECTED {2}\.\/model {2}Tensor model\.layers\.0\.self_attn\.\w_proj\.bias is not part of the model that config\.json describes.*\.$/,
    ],
    [
      'without one of its tensors',
      'llama-plain',
      async (at) => {
        const tensors = new Map(await readSafetensors(at(`model/${WEIGHTS}`)))
        tensors.delete('model.layers.1.mlp.up_proj.weight')
        await writeSafetensors(at(`model/${WEIGHTS}`), tensors)
      },
      /^PLUMB_MODEL_TENSOR_MISSING {2}\.\/model {2}Tensor model\.layers\.1\.mlp\.up_proj\.weight is missing; expected shape \[24, 16\]\.$/,
    ],
    [
      'whose index names a file outside of it, which is there',
      'llama-plain',
      (at) => {
        cpSync(at(`model/${WEIGHTS}`), at(WEIGHTS))
        rmSync(at(`model/${WEIGHTS}`))
        writeJson(at(`model/${WEIGHTS}.index.json`), { weight_map: { 'model.norm.weight': `../${WEIGHTS}` } })
      },
      /^PLUMB_MODEL_NO_WEIGHTS {2}\.\/model\/model\.safetensors\.index\.json {2}The shard "\.\.\/model\.safetensors" is not in the model folder\.$/,
    ],
    [
      'whose weights were cut off',
      'llama-plain',
      (at) => truncateSync(at(`model/${WEIGHTS}`), 5000),
      /^PLUMB_SAFETENSORS {2}\.\/model\/model\.safetensors {2}The file has 5000 bytes, its header describes \d+; it is truncated\.$/,
    ],
  ])('%s: one sentence, exit code 2, and nothing is begun', async (_, base, spoil, sentence) => {
    expect(await refused(join(FAMILIES, base), spoil)).toMatch(sentence)
  })
})

describe('an adapter', () => {
  const base = join(PEFT, 'base')
  const spoilt = (spoil: (at: (name: string) => string) => unknown, model = base) => {
    const withAdapter = async (at: (name: string) => string) => {
      cpSync(join(PEFT, 'all-linear'), at('adapter'), { recursive: true })
      await spoil(at)
    }
    return refused(model, withAdapter, '{ base: model, adapter: adapter }')
  }
  const trainedOn = String.raw`The adapter is of another base \(it was trained on "\.\./base"\): `

  it.each<[string, (at: (name: string) => string) => unknown, string | RegExp]>([
    [
      'with DoRA',
      (at) => change(at(ADAPTER), { use_dora: true }),
      `PLUMB_ADAPTER_UNSUPPORTED  ./${ADAPTER}  use_dora true is not supported; supported: none.`,
    ],
    [
      'with other modules that were trained',
      (at) => change(at(ADAPTER), { modules_to_save: ['lm_head'] }),
      `PLUMB_ADAPTER_UNSUPPORTED  ./${ADAPTER}  modules_to_save ["lm_head"] is not supported; supported: none.`,
    ],
    [
      'with biases that were trained',
      (at) => change(at(ADAPTER), { bias: 'all' }),
      `PLUMB_ADAPTER_UNSUPPORTED  ./${ADAPTER}  bias "all" is not supported; supported: "none".`,
    ],
    [
      'for modules that it does not name',
      (at) => change(at(ADAPTER), { target_modules: ['nothing'] }),
      /^PLUMB_ADAPTER_TENSOR {2}\.\/adapter\/adapter_model\.safetensors {2}The adapter has factors for model\.layers\.0\.mlp\.down_proj, which target_modules of adapter_config\.json does not name\.$/,
    ],
    [
      'without weights',
      (at) => rmSync(at('adapter/adapter_model.safetensors')),
      'PLUMB_ADAPTER_NOT_FOUND  ./adapter  The adapter has no adapter_model.safetensors (adapter_model.bin is not read).',
    ],
    [
      'whose weights were cut off',
      (at) => truncateSync(at('adapter/adapter_model.safetensors'), 4000),
      /^PLUMB_SAFETENSORS {2}\.\/adapter\/adapter_model\.safetensors {2}The file has 4000 bytes, its header describes \d+; it is truncated\.$/,
    ],
  ])('%s: one sentence, exit code 2, and nothing is begun', async (_, spoil, sentence) => {
    const said = await spoilt(spoil)
    if (typeof sentence === 'string') expect(said).toBe(sentence)
    else expect(said).toMatch(sentence)
  })

  it.each([
    ['family', 'gpt2', `it has factors for model\\.layers\\.0\\.\\S+, which this model does not have`],
    ['shape', 'llama-head-dim', `\\S+ has shape \\[\\d+, \\d+\\], and model\\.layers\\.0\\.\\S+ of this model is \\[\\d+, \\d+\\]`],
  ])('for a base of another %s: one sentence, exit code 2, and nothing is begun', async (_, family, reason) => {
    const said = await spoilt(() => undefined, join(FAMILIES, family))
    expect(said).toMatch(new RegExp(`^PLUMB_ADAPTER_BASE {2}\\./adapter/adapter_model\\.safetensors {2}${trainedOn}${reason}\\.$`))
  })
})
