import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAdapter, readModelConfig, readModelFolder, readSafetensors, readSafetensorsHeader } from '@plumbline/transformer'
import { folderWith, plumb, TINY_CONFIG } from './cli'

const PEFT = join(__dirname, '../../transformer/test/fixtures/peft')
const config = (changes: (text: string) => string = (text) => text): string =>
  changes(
    TINY_CONFIG.replace('fake-backend.cjs', 'adapter-backend.cjs')
      .replace('model: model', `model: ${JSON.stringify(join(PEFT, 'base'))}`)
      .replace('sft: { steps: 3', 'sft: { lora: { rank: 4 }, steps: 3'),
  )

const sums = (count: number, from: number) =>
  Array.from(
    { length: count },
    (_, i) => JSON.stringify({ question: `What is ${from + i} + 1?`, answer: `#### ${from + i + 1}` }) + '\n',
  ).join('')
const project = (text = config()) => folderWith({ 'plumbline.config.yaml': text, 'train.jsonl': sums(8, 1), 'test.jsonl': sums(6, 50) })

const frontMatter = (card: string) => /^---\n([^]*?)\n---\n/.exec(card)![1]!.split('\n')

describe('plumb export', () => {
  const cwd = project()
  beforeAll(async () => {
    expect(await plumb(['run', '--quiet'], { cwd })).toMatchObject({ code: 0 })
  })

  it("merges an adapter into its base: PEFT's numbers, in a folder that is a model, with a card", async () => {
    const { code, stdout, stderr } = await plumb(['export', '--variant', 'VFT', '--out', 'merged'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toBe('VFT is in merged: merged with its base, float32, with a model card in README.md.\n')
    expect(readdirSync(join(cwd, 'merged')).sort()).toEqual(['README.md', 'config.json', 'generation_config.json', 'model.safetensors'])
    const { weights } = await readModelFolder(join(cwd, 'merged'))
    const expected = await readSafetensors(join(PEFT, 'merged.safetensors'))
    let compared = 0
    for (const [name, { data }] of weights) {
      const peft = expected.get(`all-linear/${name}`)
      if (!peft) continue
      compared++
      for (const [i, value] of data.entries()) expect(Math.abs(value - peft.data[i]!)).toBeLessThan(1e-6)
    }
    expect(compared).toBe(14)
  })

  it('in bfloat16, of a variant that is a model of its own, with what only the user knows', async () => {
    const known = ['--license', 'apache-2.0', '--base-model', 'someone/tiny', '--dataset', 'openai/gsm8k', '--dataset', 'someone/sums']
    const { code, stdout } = await plumb(['export', '--variant', 'boundary', '-o', 'half', '--dtype', 'bfloat16', ...known, '--json'], {
      cwd,
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ model: 'boundary', folder: join(cwd, 'half') })
    const { tensors } = await readSafetensorsHeader(join(cwd, 'half', 'model.safetensors'))
    expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(['BF16']))
    expect(JSON.parse(readFileSync(join(cwd, 'half', 'config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' })
    const card = readFileSync(join(cwd, 'half', 'README.md'), 'utf8')
    expect(frontMatter(card)).toEqual([
      'library_name: "transformers"',
      'pipeline_tag: "text-generation"',
      'base_model: "someone/tiny"',
      'base_model_relation: "finetune"',
      'license: "apache-2.0"',
      'datasets: ["openai/gsm8k","someone/sums"]',
      'tags: ["plumbline","sft","ca","lora"]',
    ])
    expect(card).toContain('# half\n')
    expect(card).toContain('| stage 1 | train.jsonl | gsm8k | 8 |')
    expect(card).toContain('| test | test.jsonl | gsm8k | 6 |')
    expect(card).toContain('3 steps of 4')
    expect(card).toContain('| ca | 1 | constraint "boundary"')
    expect(card).toContain('[arXiv:2309.02144](https://arxiv.org/abs/2309.02144)')
    expect(card).toContain('| LoRA | rank 4, alpha 8, dropout 0, all-linear |')
    expect(card).toMatch(/\| boundary \| 6 \| 100\.0 % \[61\.0 %, 100\.0 %\]/)
    // neither a place on this machine nor a text of the data
    expect(card).not.toContain(cwd)
    expect(card).not.toContain(PEFT)
    expect(card).not.toContain('What is')
  })

  it('what the records do not know is left out', () => {
    const card = readFileSync(join(cwd, 'merged', 'README.md'), 'utf8')
    expect(frontMatter(card)).toEqual([
      'library_name: "transformers"',
      'pipeline_tag: "text-generation"',
      'tags: ["plumbline","sft","lora"]',
    ])
    expect(card).toContain('trained from the model base with Plumbline')
    expect(card).not.toContain('undefined')
  })

  it('writes the adapter alone, as PEFT has it', async () => {
    const { code } = await plumb(['export', '--variant', 'VFT', '--adapter', '--base-model', 'someone/tiny', '-o', 'adapter'], { cwd })
    expect(code).toBe(0)
    expect(readdirSync(join(cwd, 'adapter')).sort()).toEqual(['README.md', 'adapter_config.json', 'adapter_model.safetensors'])
    const { config: base } = await readModelConfig(join(PEFT, 'base'))
    const { config: says, factors } = await readAdapter(join(cwd, 'adapter'), base)
    expect(says.baseName).toBe('someone/tiny')
    expect(factors).toEqual((await readAdapter(join(PEFT, 'all-linear'), base)).factors)
    expect(frontMatter(readFileSync(join(cwd, 'adapter', 'README.md'), 'utf8'))).toEqual(
      expect.arrayContaining(['library_name: "peft"', 'base_model_relation: "adapter"']),
    )
  })

  it.each([
    [['--out', 'x'], 'PLUMB_VARIANT_NEEDED  The run has several models; say which: boundary, further-sft, VFT.'],
    [
      ['--out', 'x', '--variant', 'bounday'],
      'PLUMB_UNKNOWN_VARIANT  There is no variant "bounday" in align. Known: boundary, further-sft.',
    ],
    [['--out', 'x', '--variant', 'boundary', '--adapter'], 'PLUMB_EXPORT_NO_ADAPTER  boundary was trained without lora'],
    [['--out', 'x', '--variant', 'VFT', '--set', 'seed=9'], 'PLUMB_NOT_TRAINED  run  sft is not done with this configuration'],
    [['--out', '.', '--variant', 'VFT'], 'PLUMB_MODEL_FOLDER_TAKEN'],
  ])('%j is one sentence, and nothing is written', async (args, says) => {
    const { code, stdout, stderr } = await plumb(['export', ...args], { cwd })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr.startsWith(says)).toBe(true)
    expect(existsSync(join(cwd, 'x'))).toBe(false)
  })

  it('runs nothing: a model whose evaluation is not done says so in its card', async () => {
    const fresh = project(config((text) => text.replace(/ {2}- \{ name: further[^\n]*\n/, '').replace(', control: further-sft', '')))
    await plumb(['align', '--quiet'], { cwd: fresh })
    const before = readdirSync(join(fresh, 'run')).sort()
    const { code } = await plumb(['export', '--out', 'out'], { cwd: fresh })
    expect(code).toBe(0)
    expect(readFileSync(join(fresh, 'out', 'README.md'), 'utf8')).toContain('It was not evaluated.')
    expect(readdirSync(join(fresh, 'run')).sort()).toEqual(before)
  })

  it('takes the license and the name of the base from where the base says them', async () => {
    const base = folderWith({ 'models--someone--tiny/snapshots/abc/README.md': '---\nlicense: mit\ntags: [x]\n---\n# Tiny\n' })
    const snapshot = join(base, 'models--someone--tiny/snapshots/abc')
    const { cpSync } = await import('node:fs')
    cpSync(join(PEFT, 'base'), snapshot, { recursive: true })
    const fresh = project(config((text) => text.replace(JSON.stringify(join(PEFT, 'base')), JSON.stringify(snapshot))))
    await plumb(['sft', '--quiet'], { cwd: fresh })
    await plumb(['export', '--out', 'out', '--variant', 'VFT'], { cwd: fresh })
    expect(frontMatter(readFileSync(join(fresh, 'out', 'README.md'), 'utf8'))).toEqual(
      expect.arrayContaining(['base_model: "someone/tiny"', 'license: "mit"']),
    )
  })
})
