// Mutation run over the loss plugins: changes one operator, number, condition or call at a time and runs the package's own tests until one
// fails. What survives is listed; docs/mutation.md explains it.
//
//   node scripts/mutate.mjs [plugin-ca-loss …]      # needs a build (npm run build)
//
// The tests run inside this process on a runner of thirty lines, so that most mutants cost milliseconds instead of a start of jest.
import { fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { parse } from '@babel/parser'

const self = fileURLToPath(import.meta.url)
const root = join(dirname(self), '..')
const require = createRequire(import.meta.url)
const PLUGINS = [
  'plugin-ca-loss',
  'plugin-rrhf',
  'plugin-pro',
  'plugin-dpo',
  'plugin-dpo-listwise',
  'plugin-simpo',
  'plugin-orpo',
  'plugin-kto',
  'plugin-rft',
]
const TIMEOUT = 30_000

const OPERATORS = {
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '**': ['*'],
  '<': ['<=', '>'],
  '>': ['>=', '<'],
  '<=': ['<'],
  '>=': ['>'],
  '===': ['!=='],
  '!==': ['==='],
  '&&': ['||'],
  '||': ['&&'],
}
const CALLS = {
  add: ['sub'],
  sub: ['add'],
  mul: ['div'],
  div: ['mul'],
  better: ['worse'],
  worse: ['better'],
  mean: ['sum'],
  sum: ['mean'],
  max: ['min'],
  min: ['max'],
  maximum: ['minimum'],
  some: ['every'],
  every: ['some'],
  betterIndex: ['worseIndex'],
  worseIndex: ['betterIndex'],
}
/** Calls that are replaced by their argument, or by what they are called on. */
const PASSED_THROUGH = new Set([
  'relu',
  'softplus',
  'detach',
  'neg',
  'square',
  'abs',
  'exp',
  'log',
  'log1p',
  'filter',
  'trim',
  'replace',
  'replaceAll',
])

/** Every mutant of a file: where, from what, to what. */
function mutantsOf(file) {
  const text = readFileSync(file, 'utf8')
  const mutants = []
  const textOf = ({ start, end }) => text.slice(start, end)
  const mutant = ({ start, end }, to) => {
    const line = text.slice(0, start).split('\n').length
    mutants.push({ file, line, from: text.slice(start, end), to, text: text.slice(0, start) + to + text.slice(end) })
  }
  const visit = (node) => {
    const { type } = node
    if (type.startsWith('TS') && !TYPED_VALUES.has(type)) return
    if (type === 'BinaryExpression' || type === 'LogicalExpression') {
      const start = text.indexOf(node.operator, node.left.end)
      for (const to of OPERATORS[node.operator] ?? []) mutant({ start, end: start + node.operator.length }, to)
    }
    if (type === 'NumericLiteral') mutant(node, `${node.value === 1 ? 0 : node.value + 1}`)
    if (type === 'BigIntLiteral') mutant(node, `${BigInt(node.value) + 1n}n`)
    if (type === 'BooleanLiteral') mutant(node, `${!node.value}`)
    if (type === 'UnaryExpression' && '!-'.includes(node.operator)) mutant(node, textOf(node.argument))
    if (type === 'ConditionalExpression' || type === 'IfStatement') for (const to of ['true', 'false']) mutant(node.test, to)
    if (isMember(node)) for (const to of CALLS[node.property.name] ?? []) mutant(node.property, to)
    if (type === 'CallExpression' || type === 'OptionalCallExpression') {
      const { callee } = node
      if (PASSED_THROUGH.has(isMember(callee) ? callee.property.name : textOf(callee))) {
        const on = isMember(callee) && !['tf', 'Math'].includes(textOf(callee.object))
        mutant(node, on ? textOf(callee.object) : `(${textOf(node.arguments[0])})`)
      }
    }
    for (const child of Object.values(node).flat()) if (typeof child?.type === 'string' && typeof child.start === 'number') visit(child)
  }
  visit(parse(text, { sourceType: 'module', plugins: ['typescript'], createParenthesizedExpressions: true, attachComment: false }).program)
  return mutants
}

/** Nodes of TypeScript's own with a value inside; the others are types. */
const TYPED_VALUES = new Set(['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression', 'TSParameterProperty'])

function isMember({ type, computed }) {
  return (type === 'MemberExpression' || type === 'OptionalMemberExpression') && !computed
}

function mutantsOfPlugin(plugin) {
  const folder = join(root, 'packages', plugin, 'src')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && name !== 'index.ts')
    .flatMap((name) => mutantsOf(join(folder, name)))
}

/** In the child: runs the plugin's tests with one file's text replaced. Resolves to the first failure. */
async function runTests(plugin, mutated) {
  const Module = require('node:module')
  const { transformSync } = require('@swc/core')
  const { expect } = require('expect')
  const compiled = (runTests.compiled ??= new Map())
  Module._extensions['.ts'] = (module, filename) => {
    const text = filename === mutated?.file ? mutated.text : readFileSync(filename, 'utf8')
    const key = `${filename}\n${text}`
    if (!compiled.has(key)) {
      const { code } = transformSync(text, {
        filename,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
      })
      compiled.set(key, code)
    }
    module._compile(compiled.get(key), filename)
  }
  const folder = join(root, 'packages', plugin)
  for (const path of Object.keys(require.cache)) if (path.startsWith(folder)) Reflect.deleteProperty(require.cache, path)

  const tests = []
  const each = (declare) => (rows) => (title, body) =>
    rows.forEach((row) => declare(title, () => body(...(Array.isArray(row) ? row : [row]))))
  const describe = Object.assign((_, body) => body(), { each: each((_, body) => body()) })
  const it = Object.assign((title, body) => tests.push({ title, body }), {
    skip: () => undefined,
    each: each((title, body) => tests.push({ title, body })),
  })
  Object.assign(globalThis, { describe, it, test: it, expect })

  // tests of whole runs set things up and are no measure of the loss
  const plain = (name) => !/core\/test\/support/.test(readFileSync(join(folder, 'test', name), 'utf8'))
  const files = readdirSync(join(folder, 'test')).filter((name) => name.endsWith('.test.ts') && plain(name))
  files.sort((a, b) => Number(a.startsWith('conformance')) - Number(b.startsWith('conformance'))) // the quick ones first
  try {
    for (const file of files) {
      tests.length = 0
      require(join(folder, 'test', file))
      for (const { body } of tests) await body()
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : String(error)
  }
}

if (process.send) {
  const [plugin, from] = process.argv.slice(2)
  const healthy = await runTests(plugin)
  if (healthy !== undefined) throw new Error(`The tests of ${plugin} fail without a mutant: ${healthy}`)
  const mutants = mutantsOfPlugin(plugin)
  for (let n = Number(from); n < mutants.length; n++) {
    process.send({ n, started: true })
    process.send({ n, killedBy: await runTests(plugin, mutants[n]) })
  }
  process.exit(0)
} else {
  const chosen = process.argv.slice(2)
  for (const plugin of chosen.length > 0 ? chosen : PLUGINS) await mutate(plugin)
}

async function mutate(plugin) {
  const mutants = mutantsOfPlugin(plugin)
  const survivors = []
  let timeouts = 0
  for (let next = 0; next < mutants.length;) {
    next = await new Promise((resolve, reject) => {
      const child = fork(self, [plugin, String(next)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      let current = next
      let timer
      child.on('message', ({ n, started, killedBy }) => {
        clearTimeout(timer)
        current = n
        if (started) {
          timer = setTimeout(() => {
            timeouts++
            child.kill('SIGKILL')
          }, TIMEOUT)
        } else if (killedBy === undefined) survivors.push(mutants[n])
      })
      child.on('exit', (code, signal) => {
        clearTimeout(timer)
        if (signal === null && code !== 0) reject(new Error(`${plugin}: the run ended with ${code}`))
        else resolve(signal === null ? mutants.length : current + 1)
      })
    })
  }
  console.log(
    `${plugin}: ${mutants.length} mutants, ${mutants.length - survivors.length} killed${timeouts > 0 ? ` (${timeouts} by the time limit)` : ''}, ${survivors.length} survive`,
  )
  for (const { file, line, from, to } of survivors) console.log(`  ${relative(root, file)}:${line}  ${from}  →  ${to}`)
}
