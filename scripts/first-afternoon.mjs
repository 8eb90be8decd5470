// What somebody does in a first afternoon, from an empty folder and as a registry would give it: install the command line, write a
// configuration, run it, look at the report in a browser, write a loss, test it, install it, run it beside CA, and compare the two in one
// report. Nothing reads this repository's sources, and npm must have nothing to say about us.
//
//   node scripts/first-afternoon.mjs [--picture docs/first-afternoon.png] [--keep]    # needs a build; Chromium for the pages, else skipped
import assert from 'node:assert/strict'
import { fork, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packAll, say } from './packing.mjs'
import { lookAt, openBrowser } from './look-at-report.mjs'

const { values } = parseArgs({ options: { picture: { type: 'string' }, keep: { type: 'boolean' } } })
const work = mkdtempSync(join(tmpdir(), 'plumbline-afternoon-'))
const user = join(work, 'user')
/** What a process may hold once only. */
const SHARED = ['@plumbline/core', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu', 'zod']
let env = { ...process.env, PLUMB_DATA_DIR: join(work, 'data'), PLUMB_CACHE_DIR: join(work, 'cache'), NO_COLOR: '1' }

/** Runs a command as the user types it: what it prints, or an error with all of it. */
function type(command, args, { cwd = user, quiet = false } = {}) {
  say(`$ ${command} ${args.join(' ')}`)
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', shell: process.platform === 'win32' })
  if (error) throw error
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${status}\n${stdout}\n${stderr}`)
  const warnings = [...stdout.split('\n'), ...stderr.split('\n')].filter((line) =>
    /npm (warn|error)|deprecat|ExperimentalWarning|already registered/i.test(line),
  )
  if (warnings.length > 0) throw new Error(`${[command, ...args].join(' ')} printed warnings:\n${warnings.join('\n')}`)
  if (quiet) assert.equal(stderr, '', `${args.join(' ')} wrote to stderr`)
  return stdout
}

const plumb = (args, options) => type('npx', ['--no-install', 'plumb', ...args], options)
const json = (args) => JSON.parse(plumb([...args, '--json'], { quiet: true }))

/** How often each shared package is installed below a folder, by what npm says of the tree. */
function checkCopies(folder) {
  const paths = type('npm', ['ls', '--all', '--parseable'], { cwd: folder }).split('\n')
  for (const name of SHARED) {
    const copies = new Set(paths.filter((path) => path.replaceAll('\\', '/').endsWith(`/node_modules/${name}`)))
    assert.ok(copies.size === 1, `There are ${copies.size} copies of ${name} in ${folder}: ${[...copies].join(', ')}`)
  }
}

async function openRegistry() {
  const folder = join(work, 'tarballs')
  const packed = packAll(folder)
  writeFileSync(join(folder, 'packed.json'), JSON.stringify(packed))
  const server = fork(join(dirname(fileURLToPath(import.meta.url)), 'local-registry.mjs'), [folder])
  const [port] = await once(server, 'message')
  // The user's own npm settings, and where our scope is to be had.
  const own = spawnSync('npm', ['config', 'get', 'userconfig'], {
    encoding: 'utf8',
    cwd: work,
    shell: process.platform === 'win32',
  }).stdout.trim()
  const settings = existsSync(own) ? readFileSync(own, 'utf8') : ''
  writeFileSync(
    join(work, 'npmrc'),
    `${settings}\n@plumbline:registry=http://127.0.0.1:${port}/\naudit=false\nfund=false\nprefer-offline=true\n`,
  )
  env = { ...env, npm_config_userconfig: join(work, 'npmrc') }
  return () => server.disconnect()
}

/** Thirty-two additions with their solutions, and a model of one layer that knows their words: whoever has a model of their own skips this. */
function writeModelAndData() {
  const words = ['Question:', 'Answer:', '+', '=', '####', '?', ...Array.from({ length: 20 }, (_, n) => String(n))]
  const special = ['<pad>', '<s>', '</s>', '<unk>']
  const tokenizer = {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: null,
    model: { type: 'WordLevel', vocab: Object.fromEntries([...special, ...words].map((word, id) => [word, id])), unk_token: '<unk>' },
  }
  const settings = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    pad_token: '<pad>',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    clean_up_tokenization_spaces: false,
  }
  mkdirSync(join(user, 'words'))
  writeFileSync(join(user, 'words', 'tokenizer.json'), JSON.stringify(tokenizer))
  writeFileSync(join(user, 'words', 'tokenizer_config.json'), JSON.stringify(settings))
  const sum = (a, b) => JSON.stringify({ question: `${a} + ${b} ?`, answer: `${a} + ${b} = ${a + b}\n#### ${a + b}` })
  const sums = Array.from({ length: 8 }, (_, a) => Array.from({ length: 5 }, (_, b) => sum(a + 1, b + 1))).flat()
  mkdirSync(join(user, 'data'))
  writeFileSync(
    join(user, 'data', 'train.jsonl'),
    sums
      .filter((_, n) => n % 5 !== 0)
      .map((line) => `${line}\n`)
      .join(''),
  )
  writeFileSync(
    join(user, 'data', 'test.jsonl'),
    sums
      .filter((_, n) => n % 5 === 0)
      .map((line) => `${line}\n`)
      .join(''),
  )
  writeFileSync(
    join(user, 'make-model.mjs'),
    `import { OnnxBackend } from '@plumbline/backend-onnx'
const architecture = { model_type: 'llama', hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, intermediate_size: 64, max_position_embeddings: 64, initializer_range: 0.2 }
const policy = await new OnnxBackend({ threads: 1 }).open({ kind: 'scratch', architecture, tokenizer: 'words', seed: 1 })
await policy.saveWeights('model')
await policy.dispose()
`,
  )
  type('node', ['make-model.mjs'], { quiet: true })
}

const variant = (n) => [`align.${n}.steps=6`, `align.${n}.learningRate=0.001`]
/** Fewer steps than one would take: what a configuration says of them has its own tests. */
const SHORT = [
  'sft.epochs=30',
  'sft.learningRate=0.02',
  'sample.k=4',
  'sample.maxNewTokens=10',
  'evaluate.maxNewTokens=10',
  ...[0, 1].flatMap(variant),
]
const sets = (keys) => keys.flatMap((key) => ['--set', key])

async function main() {
  const closeRegistry = await openRegistry()
  const browser = await openBrowser()
  try {
    mkdirSync(user)
    type('npm', ['install', '--save-dev', '@plumbline/cli'])
    checkCopies(user)
    writeModelAndData()
    plumb(['init', '--yes', '--data', 'data', '--model', 'model'])
    assert.match(plumb(['doctor', '--no-measure'], { quiet: true }), /is valid; variants: /)
    const steps = SHORT
    const first = json(['run', ...sets(steps)])
    assert.deepEqual(first.rows.map(({ name }) => name).slice(0, 1), ['VFT'])
    plumb(['report', ...sets(steps)])
    await lookAt(browser, reportFile(), first)

    const name = 'plumbline-plugin-afternoon'
    const author = join(user, name)
    plumb(['create', 'loss', name])
    type('npm', ['install'], { cwd: author })
    const tests = type('npm', ['test'], { cwd: author })
    assert.match(tests, /pass [1-9]\d*/)
    assert.match(tests, /fail 0/)
    assert.equal(json(['conformance', `./${name}`]).failed, 0)
    plumb(['plugins', 'link', `./${name}`], { quiet: true })
    quiet('linked')
    plumb(['plugins', 'unlink', name], { quiet: true })
    const [{ filename }] = JSON.parse(
      type('npm', ['pack', '--json', '--foreground-scripts=false', '--pack-destination', user], { cwd: author }),
    )
    plumb(['plugins', 'install', `./${filename}`], { quiet: true })
    quiet('from a tarball')
    const brought = readdirSync(join(work, 'data', 'node_modules'), { recursive: true }).map((path) => path.replaceAll('\\', '/'))
    for (const shared of SHARED) assert.ok(!brought.some((path) => path.endsWith(shared)), `${shared} was installed beside the plugin.`)

    // beside CA: another variant in the same file, by the editor
    const file = join(user, 'plumbline.config.yaml')
    const config = readFileSync(file, 'utf8')
    writeFileSync(
      file,
      config.replace(
        /^align:\n/m,
        'align:\n  - name: afternoon\n    losses: [{ loss: sft }, { loss: afternoon, margin: 0.2 }]\n    steps: 6\n',
      ),
    )
    const both = [...SHORT, ...variant(2)]
    const second = json(['run', ...sets(both)])
    const rows = second.rows.map(({ name: row }) => row)
    for (const row of [...first.rows.map((each) => each.name), 'afternoon'])
      assert.ok(rows.includes(row), `The report has the rows ${rows.join(', ')}, and not ${row}.`)
    plumb(['report', ...sets(both)], { quiet: true })
    await lookAt(browser, reportFile(), second, values.picture)
    say(`done: ${rows.join(', ')} in one report${browser === undefined ? '; SKIPPED: no Chromium, so that nobody looked at it' : ''}`)
  } finally {
    await browser?.close()
    closeRegistry()
  }
}

/** With a plugin installed, no command says more than before, and the loss is there once. */
function quiet(how) {
  const { strategies } = json(['strategies', 'afternoon'])
  assert.deepEqual(
    strategies.map(({ kind, plugin }) => [kind, plugin]),
    [['loss', 'plumbline-plugin-afternoon']],
    how,
  )
}

function reportFile() {
  const found = readdirSync(join(user, 'runs', 'default')).filter((file) => file === 'report.html')
  assert.equal(found.length, 1, 'There is no report.html in the run folder.')
  return join(user, 'runs', 'default', 'report.html')
}

try {
  await main()
} finally {
  if (values.keep) say(`kept: ${work}`)
  else rmSync(work, { recursive: true, force: true })
}
