import { totalmem } from 'node:os'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { wordLevelTokenizerConfig, wordLevelTokenizerJson } from '@plumbline/transformer'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

/** Numbers of one layer of the architecture below. */
const LAYER = 4 * 1024 * 1024 + 3 * 1024 * 4096 + 2 * 1024

/** The tiny project on the embedded backend, with random weights of that many layers. */
function projectOf(layers: number): string {
  const architecture = {
    model_type: 'llama',
    hidden_size: 1024,
    intermediate_size: 4096,
    num_attention_heads: 16,
    num_hidden_layers: layers,
  }
  const model = JSON.stringify({ architecture: { ...architecture, tie_word_embeddings: true }, tokenizer: 'tokenizer.json', seed: 0 })
  const config = TINY_CONFIG.replace('backend: fake', 'backend: onnx')
    .replace(/^plugins.*\n/m, '')
    .replace('model: model', `model: ${model}`)
  const cwd = tinyProject(config)
  const words = ['What', 'is', '+', '=', '####', ...Array.from({ length: 200 }, (_, n) => String(n))]
  writeFileSync(join(cwd, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(words)))
  writeFileSync(join(cwd, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  return cwd
}

async function doctor(cwd: string) {
  const { code, stdout } = await plumb(['doctor', '--json'], { cwd })
  const { checks } = JSON.parse(stdout) as { checks: { status: string; name: string; detail: string }[] }
  return { code, memory: checks.filter(({ name, detail }) => name === 'Memory' && detail.startsWith('training takes')) }
}

it('doctor says what a model takes and where the bytes are', async () => {
  const { code, memory } = await doctor(projectOf(1))
  expect(code).toBe(0)
  expect(memory).toEqual([
    {
      name: 'Memory',
      status: 'ok',
      detail: expect.stringMatching(
        /^training takes up to \d+\.\d of this machine's \d+\.\d GiB \(weights 0\.06, gradients 0\.06, moments 0\.1, activations up to \S+, the process \S+\); sampling up to /,
      ) as unknown,
    },
  ])
})

it('a model whose weights fit and whose training cannot: doctor and the run say so with exit code 2 and what helps, and nothing is made', async () => {
  // Eight bytes a parameter are all there is; training takes sixteen.
  const cwd = projectOf(Math.ceil(totalmem() / 8 / LAYER))
  const { code, memory } = await doctor(cwd)
  expect(code).toBe(2)
  expect(memory).toEqual([
    expect.objectContaining({
      status: 'error',
      detail: expect.stringContaining('That cannot fit. What helps: moments: bfloat16') as unknown,
    }),
  ])
  const run = await plumb(['sft', '--quiet'], { cwd })
  expect(run.code).toBe(2)
  expect(run.stderr).toMatch(/^PLUMB_OUT_OF_MEMORY {2}model {2}training takes up to /m)
})
