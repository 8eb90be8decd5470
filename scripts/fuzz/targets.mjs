// What is fuzzed: for each target how an input is made, and what is done with it. Only what packages export is used.
//
// make(r) → { body: Buffer, tag, meta }; run(input, folder) → the outcome in a word. A PlumbError is an outcome, by its code.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { asFile, mutateBytes } from './bytes.mjs'
import { anyValue, edited, mutate, write } from './json.mjs'
import * as samples from './samples.mjs'
import { EXPECTED, explosive, repeated, someText } from './texts.mjs'

const require = createRequire(import.meta.url)
const { applyOverrides, createRegistry, loadConfig, parseConfig, parseOverride, resolveConfig } = require('@plumbline/core')
const transformer = require('@plumbline/transformer')
const { equationsOf, selectChains } = require('@plumbline/plugin-rft')

const PLUGINS = ['ca-loss', 'rrhf', 'pro', 'dpo', 'dpo-listwise', 'simpo', 'orpo', 'kto', 'rft'].map(
  (name) => require(`@plumbline/plugin-${name}`).default,
)
const registry = createRegistry([...PLUGINS, require('@plumbline/backend-onnx').default])
const nothing = { get: () => undefined }
const made = (kind, name, options = {}) => {
  const { factory } = registry.find(kind, name)
  return factory.create(factory.options.parse(options), nothing)
}

const file = (folder, name, bytes) => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

// ---- data files

const rowsOf = (format) => samples.ROWS[format] ?? Object.values(samples.ROWS).flat()
const everyRow = Object.values(samples.ROWS).flat()

function dataRows(format) {
  return (r) => {
    const rows = rowsOf(format)
    const changed = r.times(1 + r.below(4), () => {
      let row = r.chance(0.9) ? r.among(rows) : r.among(everyRow)
      for (let n = r.below(4); n > 0 && typeof row === 'object'; n--) row = r.chance(0.9) ? mutate(row, r, everyRow) : row
      return r.chance(0.03) ? write(anyValue(r)) : write(row)
    })
    const text = changed.map((line) => (r.chance(0.04) ? edited(line, r) : line)).join('\n') + (r.chance(0.8) ? '\n' : '')
    return {
      body: asFile(text, r),
      tag: 'rows',
      meta: {
        name: r.chance(0.93) ? 'data.jsonl' : r.among(['data.json', 'data.tsv', 'data.jsonl.gz', 'data.parquet', 'data.csv', 'data']),
      },
    }
  }
}

async function readAll(reader, path, options) {
  let count = 0
  for await (const record of reader.read(path, options)) count += record.candidates.length + 1
  return count === 0 ? 'ok, no record' : 'ok'
}

const dataTarget = (format) => {
  const reader = made('dataset', format)
  return {
    name: `data/${format}`,
    weight: 4,
    make: dataRows(format),
    run: ({ body, meta }, folder) => readAll(reader, file(folder, meta.name, body)),
  }
}

// ---- tables

const CSV_BITS = [
  '"',
  '""',
  ',',
  ';',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '\n\n',
  '"x',
  'x"',
  '"a\nb"',
  '\u0000',
  '[{"role":"user"',
  '{',
  ' "q"',
  'é',
]
const cellOf = (value, mark) => {
  const text = typeof value === 'string' ? value : write(value)
  return /["\r\n]/.test(text) || text.includes(mark) ? `"${text.replaceAll('"', '""')}"` : text
}

const csv = {
  name: 'table/csv',
  weight: 8,
  make(r) {
    const format = r.among(['qa', 'gsm8k', 'groups', 'preference', 'messages', 'unpaired'])
    const rows = r.times(1 + r.below(4), () => r.among(rowsOf(format))).map((row) => (r.chance(0.4) ? mutate(row, r, everyRow) : row))
    const mark = r.among([',', ',', ';', '\t', '|'])
    const end = r.among(['\n', '\n', '\r\n', '\r'])
    const names = [...new Set(rows.flatMap((row) => Object.keys(row ?? {})))]
    let text = [names, ...rows.map((row) => names.map((name) => row?.[name] ?? ''))]
      .map((cells) => cells.map((cell) => cellOf(cell, mark)).join(mark) + end)
      .join('')
    for (let n = r.below(3); n > 0; n--) {
      const at = r.below(text.length + 1)
      text = text.slice(0, at) + r.among(CSV_BITS).repeat(r.chance(0.05) ? r.size(5000) : 1) + text.slice(r.chance(0.3) ? at + 1 : at)
    }
    const options = r.chance(0.2) ? { columns: { [r.among(['question', 'prompt', 'answer', 'x'])]: r.among([...names, 'y']) } } : {}
    return { body: asFile(text, r), tag: 'rows', meta: { format, name: r.among(['a.csv', 'a.csv', 'a.tsv', 'a.csv.gz']), options } }
  },
  run: ({ body, meta }, folder) => readAll(made('dataset', meta.format), file(folder, meta.name, body), meta.options),
}

const TABLES = new URL('../../packages/core/test/data/fixtures/tables/', import.meta.url)
const parquetFiles = readdirSync(TABLES)
  .filter((name) => name.endsWith('.parquet'))
  .map((name) => readFileSync(new URL(name, TABLES)))

// Of the file what says where everything is and how large: its footer. The pages are left whole: of one whose run lengths are damaged
// hyparquet 1.33 writes as many values as they say, up to 2^31 (readRle), which is slow and nothing that we can stop.
const parquet = {
  name: 'table/parquet',
  weight: 8,
  make(r) {
    const whole = r.among(parquetFiles)
    const start = whole.length - 8 - whole.readUInt32LE(whole.length - 8)
    let footer = Buffer.from(whole.subarray(start, -8))
    for (let n = r.below(4); n > 0; n--) {
      if (r.chance(0.3)) footer = mutateBytes(footer, r)
      else if (footer.length > 0) footer[r.below(footer.length)] ^= r.chance(0.5) ? 1 << r.below(8) : r.below(256)
    }
    const length = Buffer.alloc(4)
    length.writeUInt32LE(r.chance(0.95) ? footer.length : r.below(2 ** 32))
    const body = Buffer.concat([whole.subarray(0, start), footer, length, Buffer.from(r.chance(0.98) ? 'PAR1' : 'PAR2')])
    const cut = r.chance(0.05) ? r.below(body.length) : body.length
    return { body: body.subarray(0, cut), tag: 'footer', meta: { format: r.among(['qa', 'groups', 'messages']) } }
  },
  run: ({ body, meta }, folder) => readAll(made('dataset', meta.format), file(folder, 'a.parquet', body)),
}

// ---- safetensors

function tensors(r) {
  const names = ['model.embed_tokens.weight', 'lm_head.weight', 'a', '', '__proto__', '../x']
  let at = 0
  const header = r.chance(0.5) ? { __metadata__: { format: 'pt' } } : {}
  for (let n = r.below(4); n >= 0; n--) {
    const shape = r.times(r.below(3), () => r.below(4))
    const dtype = r.among(['F32', 'F32', 'BF16', 'F16', 'I64', 'F64', 'BOOL', 'F8_E4M3'])
    const size = shape.reduce((a, b) => a * b, 1) * ({ F32: 4, BF16: 2, F16: 2, I64: 8, F64: 8 }[dtype] ?? 1)
    header[r.among(names)] = { dtype, shape, data_offsets: [at, (at += size)] }
  }
  return { header, data: Buffer.from(r.times(at, () => r.below(256))) }
}

const safetensors = {
  name: 'safetensors',
  weight: 10,
  make(r) {
    const { header, data } = tensors(r)
    const deep = r.chance(0.01) ? r.among(['[', '{"a":', '"', ' ', '0']).repeat(r.size(2_000_000)) : undefined
    const text = deep ?? write(r.chance(0.5) ? mutate(header, r, [header, ...everyRow]) : header)
    const json = Buffer.from(r.chance(0.1) ? edited(text, r) : text)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(
      r.chance(0.85)
        ? BigInt(json.length)
        : r.among([0n, 1n, 7n, BigInt(json.length) + 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n, 100_000_001n]),
    )
    const body = Buffer.concat([length, json, r.chance(0.9) ? data : data.subarray(0, r.below(data.length + 1))])
    return { body: r.chance(0.15) ? mutateBytes(body, r) : body, tag: deep ? `header of ${deep.slice(0, 5)}` : 'header', meta: {} }
  },
  async run({ body }, folder) {
    return (await transformer.readSafetensors(file(folder, 'x.safetensors', body))).size === 0 ? 'ok, empty' : 'ok'
  },
}

// ---- model folders

const MODEL_FILES = {
  'config.json': samples.CONFIG_JSON,
  'tokenizer.json': samples.TOKENIZER,
  'tokenizer_config.json': samples.TOKENIZER_CONFIG,
  'generation_config.json': samples.GENERATION_CONFIG,
}
const prepared = new Set()

async function modelFolder(folder) {
  const path = join(folder, 'model')
  if (prepared.has(path)) return path
  prepared.add(path)
  mkdirSync(path, { recursive: true })
  const writeAll = () => Object.entries(MODEL_FILES).forEach(([name, value]) => writeFileSync(join(path, name), JSON.stringify(value)))
  writeAll()
  await transformer.writeModelFolder(
    path,
    await transformer.loadModel({ kind: 'scratch', architecture: samples.CONFIG_JSON, tokenizer: path, seed: 0 }),
  )
  writeAll()
  return path
}

const modelFile = (name, weight, more = {}) => ({
  name: `model/${name}`,
  ...more,
  weight,
  make(r) {
    let value = MODEL_FILES[name]
    for (let n = r.size(3); n > 0 && typeof value === 'object'; n--) value = mutate(value, r, Object.values(MODEL_FILES))
    return { body: r.chance(0.04) ? Buffer.from(write(anyValue(r))) : asFile(write(value), r), tag: 'fields', meta: {} }
  },
  async run({ body }, folder) {
    const path = await modelFolder(folder)
    writeFileSync(join(path, name), body)
    try {
      const source = { kind: 'folder', path }
      const { tokenizer } = await transformer.inspectModel(source)
      const ids = tokenizer.encode('How many clips ? #### 72', { addSpecial: true })
      tokenizer.decode(ids)
      tokenizer.encodePair('Say', ' hello')
      tokenizer.renderChat?.(samples.CONVERSATIONS[0])
      await transformer.loadUntokenizedModel(source, tokenizer)
      return 'ok'
    } finally {
      writeFileSync(join(path, name), JSON.stringify(MODEL_FILES[name]))
    }
  },
})

// ---- configurations

const lines = samples.YAML.split('\n')

const yamlConfig = {
  name: 'config/yaml',
  weight: 5,
  make(r) {
    if (r.chance(0.03)) {
      const unit = r.among(['[', '{a: ', '- ', '? ', '"', 'k: [', '&a ', '!!x ', '# ', '\t', ' '])
      return { body: Buffer.from(r.among(['', 'align: ']) + unit.repeat(r.size(20_000))), tag: `repeat ${unit}`, meta: {} }
    }
    if (r.chance(0.02)) {
      const n = r.size(3000)
      return { body: Buffer.from(samples.YAML + r.times(n, (at) => `key${at}: ${at}`).join('\n')), tag: 'many keys', meta: {} }
    }
    const changed = [...lines]
    for (let n = r.size(4); n > 0; n--) {
      const at = r.below(changed.length)
      switch (r.below(8)) {
        case 0:
          changed.splice(at, 1)
          break
        case 1:
          changed.splice(at, 0, changed[r.below(changed.length)])
          break
        case 2:
          changed[at] = `${' '.repeat(r.below(6))}${changed[at].trim()}`
          break
        case 3:
          changed[at] = changed[at].replace(/:.*/, () => `: ${r.among(samples.YAML_BITS)}`)
          break
        case 4:
          changed[at] = changed[at].replace(/:.*/, () => `: ${r.chance(0.5) ? write(anyValue(r)) : someText(r)}`)
          break
        case 5:
          changed[at] = changed[at].replace(/[\d.e-]+/, () =>
            r.among(['0', '-1', '1e400', '0.5', '1e9', '4294967296', 'nan', '.inf', '1e-400', '9007199254740993']),
          )
          break
        case 6:
          changed[at] += ` ${r.among(samples.YAML_BITS)}`
          break
        default:
          changed[at] = edited(changed[at], r)
      }
    }
    return {
      body: r.chance(0.97) ? Buffer.from(changed.join('\n')) : asFile(changed.join('\n'), r),
      tag: 'lines',
      meta: { overrides: r.chance(0.2) ? [override(r)] : [] },
    }
  },
  async run({ body, meta }, folder) {
    file(folder, 'plumbline.config.yaml', body)
    const loaded = await loadConfig({ cwd: folder, path: 'plumbline.config.yaml', overrides: meta.overrides ?? [] })
    await resolveConfig(loaded, registry).context.dispose()
    return 'ok'
  },
}

const CONFIG_KEYS = [
  'model',
  'data',
  'sft',
  'sample',
  'label',
  'align',
  'evaluate',
  'prompt',
  'backend',
  'run',
  'seed',
  'plugins',
  '0',
  '1',
  'losses',
  'loss',
  'steps',
  'name',
  'path',
  '__proto__',
  'constructor',
  '-1',
  '1e9',
  '4294967295',
  '',
  ' ',
  'a b',
]

function override(r) {
  if (r.chance(0.4)) return edited(r.among(samples.OVERRIDES), r)
  const path = r.times(1 + r.below(5), () => r.among(CONFIG_KEYS)).join('.')
  return `${path}${r.chance(0.95) ? '=' : ''}${r.chance(0.5) ? r.among(samples.YAML_BITS) : write(anyValue(r))}`
}

const VALID = require('yaml').parse(samples.YAML, { merge: true })

const setOption = {
  name: 'config/--set',
  weight: 6,
  make: (r) => ({ body: Buffer.from(r.chance(0.97) ? override(r) : `model=${'['.repeat(r.size(20_000))}`), tag: 'override', meta: {} }),
  async run({ body }) {
    const text = body.toString()
    applyOverrides(VALID, [parseOverride(text)])
    await resolveConfig(parseConfig(VALID, { folder: '/nowhere', overrides: [text] }), registry).context.dispose()
    return 'ok'
  },
}

// ---- chat templates

const chatTemplate = {
  name: 'chat template',
  weight: 6,
  make(r) {
    let text = r.among(samples.TEMPLATES)
    if (r.chance(0.6)) {
      const pieces = r.times(1 + r.below(12), () => r.among(samples.TEMPLATE_PIECES))
      text = r.chance(0.3) ? text + pieces.join('') : pieces.join(r.among(['', ' ', '\n']))
      const opened = (text.match(/\{%-? *for/g) ?? []).length - (text.match(/endfor/g) ?? []).length
      if (opened > 0 && r.chance(0.7)) text += '{% endfor %}'.repeat(opened)
    }
    let tag = 'pieces'
    const kind = r.next()
    if (kind < 0.02) {
      const n = r.size(1e9)
      tag = 'large loops'
      text = r.among([
        `{% for i in range(${n}) %}{% endfor %}`,
        `{% for i in range(${n}) %}{% for j in range(${n}) %}{% endfor %}{% endfor %}`,
        `{{ 'a' * ${n} }}`,
        `{{ range(${n}) | length }}`,
        `{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}`,
      ])
    } else if (kind < 0.04) {
      const unit = r.among(['{{ ', '{% if x %}', '((', '{{ [', '{#', '{{ 1 + ', '{% for m in messages %}', "{{ 'a' ~ ", '-'])
      tag = `repeat ${unit}`
      text = unit.repeat(r.size(20_000))
    } else if (kind < 0.5) text = edited(text, r)
    return { body: Buffer.from(text), tag, meta: { conversation: r.below(samples.CONVERSATIONS.length) } }
  },
  run({ body, meta }) {
    const [tokenizer, tokenizerConfig] = [MODEL_FILES['tokenizer.json'], MODEL_FILES['tokenizer_config.json']]
    const made = transformer.createTokenizer({ tokenizer, tokenizerConfig, chatTemplate: body.toString() }, 'template')
    const text = made.renderChat(samples.CONVERSATIONS[meta.conversation ?? 0])
    return text === '' ? 'ok, empty' : 'ok'
  },
}

// ---- labels and equations

const labelText = (r) => {
  const kind = r.next()
  if (kind < 0.12) return repeated(r)
  return { tag: 'pieces', text: kind < 0.2 ? edited(someText(r), r) : kind < 0.22 ? explosive(r) : someText(r) }
}

const labelTarget = (name, options, title = name) => {
  const labeler = made('labeler', name, options)
  return {
    name: `labels/${title}`,
    weight: 14,
    expects: name === 'answer' ? [/^right/, /^wrong/, /^unparsed/] : [/./],
    make(r) {
      const { tag, text } = labelText(r)
      const expected = r.chance(0.97) ? r.among(EXPECTED) : r.chance(0.5) ? labelText(r).text : r.among(['', ' ', undefined])
      const right = r.chance(0.08) && expected !== undefined ? ` #### ${expected}` : ''
      return { body: Buffer.from(text + right), tag, meta: { expected, complete: r.chance(0.9) } }
    },
    async run({ body, meta }) {
      const question = { id: 'q', prompt: 'How many? (A) 1 (B) 2', answer: meta.expected }
      const candidate = { text: body.toString(), complete: meta.complete ?? true, given: { positive: true, reward: 1 } }
      const [label] = await labeler.label(question, [candidate])
      return label.status
    },
  }
}

const equations = {
  name: 'equations',
  weight: 14,
  expects: [/hold/, /wrong/, /none/],
  make(r) {
    const kind = r.next()
    if (kind < 0.12) return { ...bodyOf(repeated(r)), meta: {} }
    if (kind < 0.3) return { body: Buffer.from(explosive(r)), tag: 'powers', meta: {} }
    return { body: Buffer.from(kind < 0.4 ? edited(chainOf(r), r) : r.chance(0.5) ? chainOf(r) : someText(r)), tag: 'pieces', meta: {} }
  },
  run({ body }) {
    const text = body.toString()
    const found = equationsOf(text)
    selectChains([
      { text, positive: true },
      { text: `${text} `, positive: true },
      { text: '1 + 1 = 2', positive: true, reference: true },
    ])
    return found.length === 0 ? 'none' : found.every(({ holds }) => holds) ? 'all hold' : 'one is wrong'
  },
}
const bodyOf = ({ tag, text }) => ({ tag, body: Buffer.from(text) })
const chainOf = (r) =>
  r
    .times(1 + r.below(4), () => {
      const [a, b] = [r.below(20), r.below(20)]
      const [op, value] = r.among([
        ['+', a + b],
        ['-', a - b],
        ['*', a * b],
        ['/', a / b],
        ['^', a ** b],
      ])
      const text = `${a} ${op} ${b} = ${r.chance(0.8) ? value : value + 1}`
      return r.chance(0.3) ? `<<${text}>>` : `So ${text}${r.among(['.', '%', ' cm', '\n'])}`
    })
    .join(' ')

const allTargets = [
  ...registry.names('dataset').map(dataTarget),
  csv,
  parquet,
  safetensors,
  modelFile('config.json', 3),
  modelFile('tokenizer.json', 3),
  modelFile('tokenizer_config.json', 2),
  modelFile('generation_config.json', 1, { expects: [/^ok/] }), // a malformed one is carried over as it is
  yamlConfig,
  setOption,
  chatTemplate,
  ...registry.names('labeler').map((name) => labelTarget(name, {})),
  labelTarget('answer', { fallback: 'last-number', patterns: ['Answer: *(\\S+)', 'answer is (.*)$'] }, 'answer, options'),
  equations,
]

export const TARGETS = new Map(allTargets.map((target) => [target.name, { expects: [/^ok/, /^PLUMB_/], ...target }]))

/** Whether the tag says what is special about an input, so that others with the same tag need not be tried once one took too long. */
export const isNarrow = (tag) => /^(repeat|large|header of|many)/.test(tag)

/** Which target input `index` is for. */
export function targetOf(r, targets) {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0)
  let at = r.next() * total
  return targets.find(({ weight }) => (at -= weight) < 0) ?? targets.at(-1)
}
