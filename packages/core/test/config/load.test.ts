import path from 'node:path'
import { loadConfig, parseConfig } from '../../src/config/load'
import { BASE, failure, folderWith } from '../support/files'

const MINIMAL = { model: 'm', data: { train: 'a.jsonl', test: 'b.jsonl' }, sft: { steps: 1 }, align: { loss: 'ca', steps: 1 } }

describe('a good config', () => {
  test('shorthands are written out, defaults filled in, paths start from the folder of the file', async () => {
    const folder = folderWith({
      'plumbline.config.yaml': `${BASE}align: { loss: ca, constraint: boundary, steps: 5, learningRate: 6e-4 }\n`,
    })
    const { config, folder: found, source } = await loadConfig({ cwd: folder })
    expect(found).toBe(folder)
    expect(source.file).toBe(path.join(folder, 'plumbline.config.yaml'))
    expect(config).toMatchObject({
      model: path.join(folder, 'models/tiny'),
      run: path.join(folder, 'runs/default'),
      data: { train: { path: path.join(folder, 'train.jsonl'), format: 'groups' }, test: { format: 'gsm8k' } },
      sft: { steps: 10, batchSize: 16, betas: [0.9, 0.999], schedule: 'cosine' },
      sample: { k: 6, temperature: 1, sampler: 'policy' },
      label: { name: 'answer' },
      prompt: { chat: 'auto', date: '2024-07-26' },
      align: [
        {
          name: 'ca-boundary',
          losses: [
            { loss: 'sft', weight: 1 },
            { loss: 'ca', constraint: 'boundary', weight: 1 },
          ],
          steps: 5,
          learningRate: 6e-4,
          startFrom: 'sft',
        },
      ],
    })
  })

  test.each([
    ['one loss', [{ loss: 'ca', steps: 1 }], ['ca']],
    ['its constraint', [{ loss: 'ca', constraint: 'none', steps: 1 }], ['ca-none']],
    ['L_VFT alone', [{ loss: 'sft', steps: 1 }], ['sft']],
    ['several losses', [{ losses: ['sft', { loss: 'ca', constraint: 'none' }, { loss: 'dpo' }], steps: 1 }], ['ca-none-dpo']],
    ['its own name', [{ name: 'control', loss: 'sft', steps: 1 }], ['control']],
  ])('a variant is named by %s', (_, align, names) => {
    expect(parseConfig({ ...MINIMAL, align }).config.align.map(({ name }) => name)).toEqual(names)
  })

  test('the shorthand of L_VFT alone holds it once, and a weight belongs to the loss', () => {
    const { config } = parseConfig({
      ...MINIMAL,
      align: [
        { loss: 'sft', steps: 1 },
        { loss: 'ca', weight: 0.5, steps: 1 },
      ],
    })
    expect(config.align.map(({ losses }) => losses)).toEqual([
      [{ loss: 'sft', weight: 1 }],
      [
        { loss: 'sft', weight: 1 },
        { loss: 'ca', weight: 0.5 },
      ],
    ])
  })

  test('a model from scratch: its tokenizer is a path, its architecture is not checked here', () => {
    const model = { architecture: { model_type: 'llama', hidden_size: 96 }, tokenizer: 'tok' }
    expect(parseConfig({ ...MINIMAL, model }, { folder: '/base' }).config.model).toEqual({ ...model, tokenizer: '/base/tok', seed: 0 })
  })

  test('the input is left as it is', () => {
    const raw = structuredClone(MINIMAL)
    parseConfig(raw, { overrides: ['sft.steps=3', 'align.0.loss=sft'] })
    expect(raw).toEqual(MINIMAL)
  })
})

describe('a text given on the command line', () => {
  const set = (override: string, raw: object = MINIMAL) => parseConfig(raw, { overrides: [override], folder: '/base' }).config

  test.each([
    ['prompt.template={prompt}', '{prompt}'],
    ['prompt.template={prompt}\\n', '{prompt}\n'],
    ['prompt.template=Q: {prompt}\\nA:', 'Q: {prompt}\nA:'],
    ['prompt.template="{prompt}\\t"', '{prompt}\t'],
    ["prompt.template='{prompt}\\n'", '{prompt}\\n'],
    ['prompt.template=say "{prompt}"', 'say "{prompt}"'],
    ['prompt.template=# {prompt}: [x', '# {prompt}: [x'],
  ])('stands for itself: %s', (override, expected) => {
    expect(set(override).prompt.template).toBe(expected)
  })

  test('is no number and no section', () => {
    expect(set('run=2024').run).toBe('/base/2024')
    expect(set('align.0.name=1e3').align[0]!.name).toBe('1e3')
    expect(set('run=C:\\new').run).toBe('/base/C:\\new')
  })
})

describe('where it is looked for', () => {
  const align = 'align: { loss: ca, steps: 1 }\n'
  const json = JSON.stringify(MINIMAL)
  test.each([
    ['plumbline.config.yml', BASE + align],
    ['plumbline.config.json', json],
    ['plumbline.config.cjs', `module.exports = ${json}`],
    ['.plumblinerc', BASE + align],
    ['.plumblinerc.json', json],
    ['.plumbline', BASE + align],
    ['package.json', JSON.stringify({ name: 'x', plumbline: MINIMAL })],
  ])('%s', async (name, text) => {
    const folder = folderWith({ [name]: text })
    const { config, source } = await loadConfig({ cwd: folder })
    expect(source.file).toBe(path.join(folder, name))
    expect(config.align[0]!.name).toBe('ca')
  })

  test('a folder above, up to the one with a package.json', async () => {
    const folder = folderWith({ 'package.json': '{}', 'plumbline.config.yaml': BASE + align, 'deep/er/x': '' })
    const { folder: found } = await loadConfig({ cwd: path.join(folder, 'deep/er') })
    expect(found).toBe(folder)
  })

  test('a file that is named, whatever it is called', async () => {
    const folder = folderWith({ 'other.yaml': BASE + align })
    expect((await loadConfig({ cwd: folder, path: 'other.yaml' })).folder).toBe(folder)
  })

  test('nowhere', async () => {
    const { code, message, where } = await failure(() => loadConfig({ cwd: folderWith({ 'package.json': '{}' }) }))
    expect(code).toBe('PLUMB_CONFIG_NOT_FOUND')
    expect(message).toContain('plumbline.config.{yaml,yml,json,js,cjs,mjs,ts}')
    expect(message).toContain('"plumb init" writes one')
    expect(where).toBeDefined()
  })

  test('a file that is named and not there', async () => {
    const { line } = await failure(() => loadConfig({ cwd: folderWith({}), path: 'nope.yaml' }))
    expect(line).toBe('PLUMB_CONFIG_NOT_FOUND  nope.yaml  There is no such configuration file.')
  })

  test('a folder in place of a file', async () => {
    const { line } = await failure(() => loadConfig({ cwd: folderWith({ 'sub/x': '' }), path: 'sub' }))
    expect(line).toMatch(/^PLUMB_CONFIG_NOT_FOUND {2}sub {2}.*folder/)
  })

  test('an empty file', async () => {
    const { line } = await failure(() => loadConfig({ cwd: folderWith({ 'a.yaml': '# nothing\n' }), path: 'a.yaml' }))
    expect(line).toMatch(/^PLUMB_CONFIG_INVALID {2}a.yaml/)
  })
})

describe('text that cannot be read', () => {
  test.each([
    ['a.yaml', 'model: x\ndata: [1, 2\nseed: 3\n', /^a\.yaml:[34]$/],
    ['a.yaml', 'model: x\nmodel: y\n', /^a\.yaml:2$/],
    ['a.json', '{\n  "model": "x",\n  "seed": 1,\n}\n', /^a\.json:4$/],
    ['a.json', '{\n  "model": "x"\n', /^a\.json:2$/],
    ['a.json', '{\n  model: "x"\n}', /^a\.json:2$/],
    ['a.cjs', 'module.exports = (', /^a\.cjs$/],
  ])('%s %j', async (name, text, where) => {
    const found = await failure(() => loadConfig({ cwd: folderWith({ [name]: text }), path: name }))
    expect(found.code).toBe('PLUMB_CONFIG_SYNTAX')
    expect(found.where).toMatch(where)
  })
})

describe('what is wrong in it', () => {
  const broken = async (text: string, name = 'a.yaml'): Promise<string> =>
    (await failure(() => loadConfig({ cwd: folderWith({ [name]: text }), path: name }))).line

  test.each([
    [
      'sampel: { k: 4 }\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:6  sampel is not a configuration key. Did you mean "sample"?',
    ],
    [
      'sample:\n  k: 4\n  temprature: 1\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:8  sample.temprature is not a configuration key. Did you mean "temperature"?',
    ],
    [
      'align:\n  - losses: [{ loss: ca }]\n    learningrate: 1\n    steps: 2',
      'PLUMB_CONFIG_UNKNOWN_KEY  a.yaml:8  align.0.learningrate is not a configuration key. Did you mean "learningRate"?',
    ],
    ['sample: { k: 0 }\nalign: { loss: ca, steps: 1 }', 'PLUMB_CONFIG_INVALID  a.yaml:6  sample.k must be at least 1, but is 0.'],
    ['sample: { k: 2.5 }\nalign: { loss: ca, steps: 1 }', 'PLUMB_CONFIG_INVALID  a.yaml:6  sample.k must be a whole number, but is 2.5.'],
    ['sample: { k: four }\nalign: { loss: ca, steps: 1 }', 'PLUMB_CONFIG_INVALID  a.yaml:6  sample.k must be a number, but is "four".'],
    [
      'sample: 4\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_INVALID  a.yaml:6  sample must be a section of keys, but is 4. Its keys: k, temperature, topK, topP, maxNewTokens, stop, cutOff, sampler.',
    ],
    [
      'align:\n  loss: ca\n  steps: 1\n  schedule: cosin',
      'PLUMB_CONFIG_INVALID  a.yaml:9  align.schedule must be one of "constant", "linear", "cosine", but is "cosin". Did you mean "cosine"?',
    ],
    [
      'backend: 4\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_INVALID  a.yaml:6  backend must be a string or a section of keys, but is 4.',
    ],
    [
      'prompt: { template: "Q:" }\nalign: { loss: ca, steps: 1 }',
      'PLUMB_CONFIG_INVALID  a.yaml:6  prompt.template must contain {prompt}, but is "Q:".',
    ],
    ['align: []', 'PLUMB_CONFIG_INVALID  a.yaml:6  align must have at least 1 entry, but is an empty list.'],
    ['seed: 1', 'PLUMB_CONFIG_INVALID  a.yaml:1  align is missing; it must be a list.'],
    ['align: { steps: 1 }', 'PLUMB_CONFIG_INVALID  a.yaml:6  align.losses is missing; it must be a list.'],
    ['align: { loss: ca }', 'PLUMB_CONFIG_INVALID  a.yaml:6  align needs steps or epochs.'],
    [
      'align:\n  - loss: ca\n    steps: 1\n    epochs: 2',
      'PLUMB_CONFIG_INVALID  a.yaml:9  align.0 has both steps and epochs; give one of them.',
    ],
    [
      'align:\n  - { loss: ca, steps: 1 }\n  - { loss: ca, steps: 2 }',
      'PLUMB_CONFIG_INVALID  a.yaml:8  align.1 and align.0 are both called "ca"; give one of them another name.',
    ],
    [
      'align: { loss: ca, steps: 1 }\nevaluate: { control: sft }',
      'PLUMB_CONFIG_INVALID  a.yaml:7  evaluate.control must name a variant of align (ca) or be VFT, the stage-1 model, but is "sft".',
    ],
    [
      'align: { name: VFT, loss: ca, steps: 1 }',
      'PLUMB_CONFIG_INVALID  a.yaml:6  align.name must not be "VFT": it is the name of the stage-1 model in the report.',
    ],
    [
      `align: { name: ${'n'.repeat(65)}, loss: ca, steps: 1 }`,
      /^PLUMB_CONFIG_INVALID {2}a.yaml:6 {2}align.name must have at most 64 characters, but is /,
    ],
    [
      'align: { loss: ca, steps: 1 }\nsample: { k: 100000000 }',
      'PLUMB_CONFIG_INVALID  a.yaml:7  sample.k must be at most 10000, but is 100000000.',
    ],
    [
      'align: { loss: ca, steps: 1 }\nprompt: { template: "${env:HOME} {prompt}" }',
      'PLUMB_CONFIG_INVALID  a.yaml:7  prompt.template cannot ask for the environment: ${env:…} is read in paths and in the options of plugins.',
    ],
    [
      'align: { loss: ca, steps: 1 }\nrun: "${env:PLUMBLINE_NOT_SET}/run"',
      'PLUMB_CONFIG_ENV  a.yaml:7  run asks for the environment variable PLUMBLINE_NOT_SET, which is not set.',
    ],
    [
      'align: { name: a/b, loss: ca, steps: 1 }',
      /^PLUMB_CONFIG_INVALID {2}a.yaml:6 {2}align.name must be made of letters, .* but is "a\/b"\.$/,
    ],
  ])('%j', async (text, expected) => {
    const line = await broken(`${BASE}${text}\n`)
    if (typeof expected === 'string') expect(line).toBe(expected)
    else expect(line).toMatch(expected)
  })

  test('neither steps nor epochs in sft', async () => {
    expect(await broken(`${BASE.replace('sft: { steps: 10 }\n', '')}align: { loss: ca, steps: 1 }\n`)).toBe(
      'PLUMB_CONFIG_INVALID  a.yaml:1  sft needs steps or epochs.',
    )
  })

  test('JSON has lines too', async () => {
    const text =
      '{\n  "model": "m",\n  "data": { "train": "a", "test": "b" },\n  "sft": { "steps": 1 },\n  "align": {\n    "loss": "ca",\n    "steps": "x"\n  }\n}\n'
    expect(await broken(text, 'a.json')).toBe('PLUMB_CONFIG_INVALID  a.json:7  align.steps must be a number, but is "x".')
  })

  test('package.json: the line is the key’s inside its section', async () => {
    const text =
      '{\n  "seed": 1,\n  "plumbline": {\n    "model": "m",\n    "seed": -1,\n    "data": { "train": "a", "test": "b" },\n    "sft": { "steps": 1 },\n    "align": { "loss": "ca", "steps": 1 }\n  }\n}\n'
    const { line } = await failure(() => loadConfig({ cwd: folderWith({ 'package.json': text }) }))
    expect(line).toMatch(/^PLUMB_CONFIG_INVALID {2}package.json:5 {2}seed must be at least 0/)
  })

  test('code has no lines, but a file', async () => {
    const line = await broken(`module.exports = ${JSON.stringify({ ...MINIMAL, seed: 'x' })}`, 'a.cjs')
    expect(line).toBe('PLUMB_CONFIG_INVALID  a.cjs  seed must be a number, but is "x".')
  })

  test('an aliased section answers with the line of its anchor', async () => {
    const line = await broken(
      `model: m\ndata: { train: a, test: b }\nsft: &s\n  steps: 1\n  batchSize: no\nalign:\n  - { <<: *s, losses: [sft] }\n`,
    )
    expect(line.split('\n')[0]).toBe('PLUMB_CONFIG_INVALID  a.yaml:5  sft.batchSize must be a number, but is "no".')
  })

  test('every problem has its line; the tenth is the last to be shown', async () => {
    const keys = Array.from({ length: 12 }, (_, index) => `wrong${index}: 1\n`).join('')
    const lines = (await broken(`${BASE}align: { loss: ca, steps: 1 }\n${keys}`)).split('\n')
    expect(lines).toHaveLength(11)
    expect(lines[0]).toMatch(/^PLUMB_CONFIG_UNKNOWN_KEY {2}a.yaml:7 {2}wrong0 /)
    expect(lines[9]).toMatch(/^PLUMB_CONFIG_UNKNOWN_KEY {2}a.yaml:16 {2}wrong9 /)
    expect(lines[10]).toBe('… and 2 more.')
  })
})

describe('overrides', () => {
  test('are applied in order, before defaults and shorthands', () => {
    const { config } = parseConfig(MINIMAL, {
      overrides: [
        'sample.k=4',
        'sample.k=8',
        'align.constraint=none',
        'align.0.learningRate=1e-4',
        'evaluate.stop=["\\n\\n"]',
        'run=out',
        'data.train.limit=5',
      ].slice(0, 6),
      folder: '/base',
    })
    expect(config.sample.k).toBe(8)
    expect(config.align[0]).toMatchObject({ name: 'ca-none', learningRate: 1e-4 })
    expect(config.evaluate.stop).toEqual(['\n\n'])
    expect(config.run).toBe('/base/out')
  })

  test.each([
    ['sample.k=0', 'PLUMB_CONFIG_INVALID  --set sample.k=0  sample.k must be at least 1, but is 0.'],
    ['sampel.k=4', 'PLUMB_CONFIG_UNKNOWN_KEY  --set sampel.k=4  sampel is not a configuration key. Did you mean "sample"?'],
    ['sample.k', 'PLUMB_CONFIG_OVERRIDE  --set sample.k  Expected path.to.key=value, as in sample.k=4, but got "sample.k".'],
    ['align.0.steps=x', 'PLUMB_CONFIG_INVALID  --set align.0.steps=x  align.steps must be a number, but is "x".'],
    ['=4', 'PLUMB_CONFIG_OVERRIDE  --set =4  Expected path.to.key=value, as in sample.k=4, but got "=4".'],
    ['__proto__.x=4', 'PLUMB_CONFIG_OVERRIDE  --set __proto__.x=4  Expected path.to.key=value, as in sample.k=4, but got "__proto__.x=4".'],
    ['model.seed=4', 'PLUMB_CONFIG_OVERRIDE  --set model.seed=4  model is a plain value and has no "seed".'],
    [
      ['backend=onnx', 'backend.threads=3'],
      `PLUMB_CONFIG_OVERRIDE  --set backend.threads=3  backend is a plain value and has no "threads"; to give it options, set all of it: --set 'backend={ name: …, threads: 3 }'.`,
    ],
  ])('%s', async (overrides, expected) => {
    expect((await failure(() => parseConfig(MINIMAL, { overrides: [overrides].flat() }))).line).toBe(expected)
  })

  test('an index past the end of a list', async () => {
    const { line } = await failure(() => parseConfig({ ...MINIMAL, align: [MINIMAL.align] }, { overrides: ['align.5.steps=1'] }))
    expect(line).toBe('PLUMB_CONFIG_OVERRIDE  --set align.5.steps=1  align is a list of 1, and "5" is not an index of it.')
  })
})
