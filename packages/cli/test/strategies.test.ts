import { join } from 'node:path'
import { FIXTURES, folderWith, plumb } from './cli'

interface Strategy {
  readonly kind: string
  readonly name: string
  readonly plugin: string
  readonly version: string
  readonly paper?: string
  readonly options: readonly { readonly name: string; readonly type: string; readonly required: boolean; readonly default?: unknown }[]
}

describe('plumb strategies', () => {
  it('lists everything that can be named, with origin, version, options and paper', async () => {
    const { code, stdout, stderr } = await plumb(['strategies', '--json'], { cwd: folderWith({}) })
    expect([code, stderr]).toEqual([0, ''])
    const { strategies } = JSON.parse(stdout) as { strategies: Strategy[] }
    const names = (kind: string): string[] => strategies.filter((each) => each.kind === kind).map(({ name }) => name)
    expect(names('loss')).toEqual(['sft', 'ca', 'rrhf', 'pro', 'dpo', 'dpo-listwise', 'simpo', 'orpo', 'kto', 'rft'])
    expect(names('labeler')).toEqual(['answer', 'dataset', 'math'])
    expect(names('sampler')).toEqual(['policy', 'dataset', 'openai', 'vllm'])
    expect(names('dataset')).toContain('gsm8k')
    expect(names('backend')).toEqual(['onnx', 'torch', 'gpu'])
    for (const { kind, plugin, version, paper } of strategies) {
      expect(plugin).toMatch(/^@plumbline\//)
      expect(version).toBe('0.1.0')
      if (kind === 'loss') expect(paper).toMatch(/^arXiv:\d{4}\.\d{5}$/)
    }
    expect(strategies.find(({ name }) => name === 'ca')).toMatchObject({
      plugin: '@plumbline/plugin-ca-loss',
      options: expect.arrayContaining([
        expect.objectContaining({ name: 'constraint', type: 'none | detached | boundary', required: false, default: 'boundary' }),
        expect.objectContaining({ name: 'beta', type: 'number', default: 0.15 }),
      ]),
    })
  })

  it('shows one in full, under every kind that has its name', async () => {
    const { stdout } = await plumb(['strategies', 'dataset'], { cwd: folderWith({}) })
    expect(stdout).toMatch(
      /^sampler dataset {2}\(@plumbline\/core 0\.1\.0\)\n {2}takes given candidates, samples none\n {2}no options\n\nlabeler dataset/,
    )
    const ca = await plumb(['strategies', 'ca'], { cwd: folderWith({}) })
    expect(ca.stdout).toContain('loss ca  (@plumbline/plugin-ca-loss 0.1.0)\n  paper: arXiv:2309.02144\n')
    expect(ca.stdout).toMatch(/^ {2}beta +number; default 0\.15$/m)
  })

  it('has those of the configuration’s plugins, and refuses a name that nothing has', async () => {
    const cwd = folderWith({
      'plumbline.config.yaml': `model: m\nplugins: [${JSON.stringify(join(FIXTURES, 'plumbline-plugin-margin'))}]\ndata: { train: a, test: b }\nalign: { loss: margin }\n`,
    })
    const { stdout } = await plumb(['strategies'], { cwd })
    expect(stdout).toMatch(/^ {2}margin +plumbline-plugin-margin 1\.2\.3/m)
    expect(await plumb(['strategies', 'simop'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_STRATEGY_UNKNOWN  simop  Nothing of this name is installed. Did you mean "simpo"?\n',
    })
  })
})
