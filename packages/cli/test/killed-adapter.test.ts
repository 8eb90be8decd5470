import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, heldWeights, wordLevelTokenizerConfig, wordLevelTokenizerJson, writeModel } from '@plumbline/transformer'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

const LORA = 'lora: { rank: 2, dropout: 0.2 }, learningRate: 0.02, checkpointEvery: 2'

/** Adapters on a base that is stored in bfloat16, in both training stages. */
const CONFIG = TINY_CONFIG.replace('backend: fake', 'backend: { name: onnx, threads: 1 }')
  .replace(/^plugins.*\n/m, '')
  .replace('sft: { steps: 3,', `sft: { steps: 3, ${LORA},`)
  .replace('constraint: boundary, steps: 3,', `constraint: boundary, steps: 12, ${LORA},`)
  .replace(/^ {2}- \{ name: further-sft.*\n/m, '')
  .replace('evaluate: { maxNewTokens: 50, control: further-sft }', 'evaluate: { maxNewTokens: 4 }')
  .replace('k: 4, maxNewTokens: 50', 'k: 2, maxNewTokens: 6, cutOff: wrong')

const ARCHITECTURE = {
  model_type: 'llama',
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 16,
  max_position_embeddings: 64,
}

async function project(): Promise<string> {
  const cwd = tinyProject(CONFIG)
  const words = ['What', 'is', '+', '=', '####', ...Array.from({ length: 200 }, (_, n) => String(n))]
  const tokenizer = join(cwd, 'tokenizer.json')
  writeFileSync(tokenizer, JSON.stringify(wordLevelTokenizerJson(words)))
  writeFileSync(join(cwd, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  const model = join(cwd, 'model')
  rmSync(model, { recursive: true })
  const made = await loadModel({ kind: 'scratch', architecture: ARCHITECTURE, tokenizer, seed: 0 })
  await writeModel(model, { ...made, weights: heldWeights(made.weights) }, { dtype: 'bfloat16' })
  return cwd
}

const runFiles = (cwd: string) => readdirSync(join(cwd, 'run'), { recursive: true, encoding: 'utf8' }).sort()
const adapterFile = (cwd: string, stage: string) =>
  runFiles(cwd).find((name) => name.startsWith(`${stage}-`) && name.endsWith('adapter_model.safetensors'))

/** Names of the checkpoints that the alignment has written so far. */
function checkpoints(cwd: string): string[] {
  const run = join(cwd, 'run')
  const named = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])
  return named(run)
    .filter((name) => name.startsWith('align-boundary-'))
    .flatMap((name) => named(join(run, name, 'work', 'checkpoints')))
}

it('an adapter whose alignment was killed between two checkpoints ends with the bytes of one that nobody disturbed', async () => {
  const [whole, killed] = [await project(), await project()]
  expect(await plumb(['align', '--quiet'], { cwd: whole })).toMatchObject({ code: 0 })

  let timer: NodeJS.Timeout | undefined
  const { signal } = await plumb(['align', '--quiet'], {
    cwd: killed,
    started: (child) => {
      timer = setInterval(() => {
        if (checkpoints(killed).some((name) => /^step-[4-9]$/.test(name))) child.kill('SIGKILL')
      }, 20)
    },
  })
  clearInterval(timer)
  expect(signal).toBe('SIGKILL')
  // In the middle: there is a checkpoint, and no adapter yet.
  expect(adapterFile(killed, 'align-boundary')).toBeUndefined()
  expect(await plumb(['align', '--quiet'], { cwd: killed })).toMatchObject({ code: 0 })

  for (const stage of ['sft', 'align-boundary']) {
    const [expected, actual] = [whole, killed].map((cwd) => readFileSync(join(cwd, 'run', adapterFile(cwd, stage)!)))
    expect(actual!.equals(expected!)).toBe(true)
  }
  const [expected, actual] = [whole, killed].map((cwd) => runFiles(cwd).filter((name) => /adapter|samples|labels|results/.test(name)))
  expect(actual).toEqual(expected)
}, 120_000)
