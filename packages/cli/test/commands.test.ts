import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseConfig } from '@plumbline/core'
import Ajv from 'ajv'
import { parse } from 'yaml'
import { configTemplate } from '../src/init/template'
import { folderWith, plumb, TINY_CONFIG, tinyProject } from './cli'

it('lists the commands', async () => {
  const { code, stdout, stderr } = await plumb(['--help'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.split('\nCOMMANDS\n')[1]).toBe(`  align         Align on the labelled candidates: every variant, or one.
  answer        Ask the models of a run a question, or chat with one.
  autocomplete  Display autocomplete installation instructions.
  conformance   Check a plugin against the contracts, and print a report.
  create        Write the package of a new plugin, with tests that pass.
  doctor        Check this machine and the configuration.
  eval          Measure a model on data files, and against a baseline.
  evaluate      Evaluate every variant and print the table.
  explain       Say what an error code means, and what helps.
  export        Write a trained model as a Hugging Face folder, with a model
                card.
  gc            Say what can go from run folders; with --delete, remove it.
  help          Display help for plumb.
  init          Write a plumbline.config.yaml that fits the data and the model.
  label         Label the sampled candidates right or wrong, or with rewards.
  plugins       List installed plugins.
  report        Write a run, or several, as one HTML page to look at and to
                send.
  run           Run the pipeline: fine-tune, sample, label, align, evaluate.
  runs          List runs: when, how far, model, seeds, best row and size.
  sample        Sample k candidate chains for every question.
  sft           Fine-tune on the reference chains of thought (L_VFT).
  strategies    List every loss, sampler, labeler, data format and backend that
                can be named.
  watch         Follow a run from another terminal, or as a page on this
                machine.
  why           Say what a run would do with a stage, and why.

`)
})

it('has a manifest and a README that say what the commands are', async () => {
  await promisify(execFile)(process.execPath, [join(__dirname, '..', 'scripts', 'generate.mjs'), '--check'])
})

it.each([
  [['rnu'], 'PLUMB_UNKNOWN_COMMAND  plumb rnu  "rnu" is not a command. Did you mean "run"? "plumb --help" lists them.\n'],
  [
    ['run', '--confg', 'x'],
    'PLUMB_UNKNOWN_FLAG  plumb run  --confg is not an option of this command. Did you mean "--config"? "plumb run --help" lists them.\n',
  ],
  [['run', '--stage', 'foo'], 'PLUMB_USAGE  plumb run  Expected --stage=foo to be one of: sft, sample, label, align, evaluate.\n'],
  [['run', '--config', 'absent.yaml'], 'PLUMB_CONFIG_NOT_FOUND  absent.yaml  There is no such configuration file.\n'],
])('refuses %j in one sentence', async (args, sentence) => {
  expect(await plumb(args, { cwd: folderWith({}) })).toMatchObject({ code: 2, stdout: '', stderr: sentence })
})

it('prints errors as JSON on stdout when asked for JSON', async () => {
  const { code, stdout, stderr } = await plumb(['run', '--json', '--config', 'absent.yaml'], { cwd: folderWith({}) })
  expect([code, stderr]).toEqual([2, ''])
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'PLUMB_CONFIG_NOT_FOUND', where: 'absent.yaml', message: 'There is no such configuration file.' },
  })
})

describe('plumb config', () => {
  it('prints the whole configuration, with where each key comes from', async () => {
    const cwd = tinyProject()
    const { code, stdout, stderr } = await plumb(['config', 'print', '--origin', '--set', 'seed=3'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('seed: 3 # --set seed=3\n')
    expect(stdout).toContain('  temperature: 1 # default\n')
    expect(stdout).toContain('        constraint: boundary # plumbline.config.yaml:11\n')
    expect(stdout).toContain('        boundaryGradient: stop # default\n')
    expect(parseConfig(parse(stdout), { folder: cwd }).config.seed).toBe(3)
  })

  it('prints a schema with the options of every plugin, also where the configuration is wrong', async () => {
    const cwd = tinyProject(TINY_CONFIG.replace('seed', 'seeed').replace('run: run', 'run: 3'))
    const { code, stdout, stderr } = await plumb(['config', 'schema'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    const validate = new Ajv().compile(JSON.parse(stdout) as object)
    validate(parse(TINY_CONFIG))
    expect(validate.errors).toBeNull()
    expect(validate(parse(TINY_CONFIG.replace('constraint: boundary', 'constraint: boundry')))).toBe(false)
    expect(validate(parse(TINY_CONFIG.replace('backend: fake', 'backend: { name: onnx, thread: 2 }')))).toBe(false)
  })
})

describe('plumb init', () => {
  it('writes a config with placeholders where there is nothing yet, and says so', async () => {
    const cwd = folderWith({})
    const { code, stdout, stderr } = await plumb(['init', '--loss', 'dpo'], { cwd })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      /^model: models\/base is a placeholder; .*hf download.*\ndata: data\/train\.jsonl and test\.jsonl are placeholders/,
    )
    expect(stdout).toMatch(/\nWrote plumbline\.config\.yaml\. Next: plumb doctor, then plumb run\.\n$/)
    const { config } = parseConfig(parse(readFileSync(join(cwd, 'plumbline.config.yaml'), 'utf8')), { folder: cwd })
    expect(config.data.train).toEqual({ path: join(cwd, 'data', 'train.jsonl'), format: 'gsm8k' })
    expect(config.align.map(({ losses }) => losses.map((entry) => entry.loss))).toEqual([['sft', 'dpo'], ['sft']])
  })

  it.each(['ca', 'rrhf', 'pro', 'dpo', 'rft', 'margin'])('has a valid template for %s', (loss) => {
    const source = (path: string) => ({ path, format: 'qa' })
    const choices = { model: 'a b', train: [source('train.jsonl')], test: source('no'), loss, prompts: 'template' } as const
    for (const kind of ['sampled', 'judged', 'given', 'tuned'] as const) {
      const { config } = parseConfig(parse(configTemplate({ ...choices, kind })), { folder: '/' })
      expect(config).toMatchObject({ model: '/a b', data: { test: { path: '/no', format: 'qa' } } })
    }
  })

  it('overwrites only when told to', async () => {
    const cwd = folderWith({ 'plumbline.config.yaml': 'mine' })
    const file = join(cwd, 'plumbline.config.yaml')
    expect(await plumb(['init'], { cwd })).toMatchObject({
      code: 2,
      stderr: `PLUMB_INIT_EXISTS  ${file}  The file is there already; --force overwrites it.\n`,
    })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect((await plumb(['init', '--force'], { cwd })).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toContain('model: models/base')
  })

  it('writes nothing where the data is not there', async () => {
    const cwd = folderWith({})
    expect(await plumb(['init', '--data', 'nowhere'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'PLUMB_INIT_DATA  nowhere  There is no such file or folder.\n',
    })
    expect(existsSync(join(cwd, 'plumbline.config.yaml'))).toBe(false)
  })
})

describe('plugins', () => {
  it('are found by the next run once they are linked, without being listed', async () => {
    const cwd = folderWith({})
    const linked = await plumb(['plugins', 'link', join(__dirname, 'fixtures', 'plumbline-plugin-margin')], { cwd })
    expect(linked.code).toBe(0)
    const { stdout } = await plumb(['doctor', '--json'], { cwd })
    const { checks } = JSON.parse(stdout) as { checks: { name: string; detail: string }[] }
    expect(checks.find(({ name }) => name === 'Losses')?.detail.split(', ')).toContain('margin')
  })

  it('that cannot be used are named and do not stop anything', async () => {
    const broken = { name: 'broken', version: '1.0.0', main: 'index.js', oclif: {} }
    const cwd = folderWith({ 'broken/package.json': JSON.stringify(broken), 'broken/index.js': 'throw new Error("out of order")' })
    await plumb(['plugins', 'link', 'broken'], { cwd })
    const { stdout } = await plumb(['doctor', '--json'], { cwd })
    const { checks } = JSON.parse(stdout) as { checks: { status: string; detail: string }[] }
    expect(checks.filter(({ status }) => status === 'warning').map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/^The installed plugin broken cannot be used: .*out of order\.$/),
    ])
  })
})

it('doctor says where the config is wrong, and exits with 2', async () => {
  const cwd = folderWith({})
  writeFileSync(join(cwd, 'plumbline.config.yaml'), 'model: a\nmodle: b\n')
  const { code, stdout } = await plumb(['doctor'], { cwd })
  expect(code).toBe(2)
  expect(stdout).toMatch(/^ERROR +Config +PLUMB_CONFIG_\w+ {2}plumbline\.config\.yaml:\d/m)
})
