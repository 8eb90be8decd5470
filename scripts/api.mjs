// Writes docs/api/PACKAGE.txt: what every package exports, with the signatures that users rest on, read from the built declarations.
//
//   npm run build && node scripts/api.mjs [--check]     # --check writes nothing and fails where a page is out of date
//
// A change to one of these files is a change to the public interface: it is read in review, and goes into CHANGELOG.md.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from './packing.mjs'

// The native compiler gives nobody its tree.
const ts = createRequire(import.meta.url)('typescript')
const folder = join(root, 'docs', 'api')

const packages = readdirSync(join(root, 'packages')).filter((name) => existsSync(join(root, 'packages', name, 'package.json')))
const entries = packages.flatMap((name) => {
  const { exports } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
  return Object.entries(exports).flatMap(([path, { types }]) =>
    types ? [{ page: `${name}${path.slice(1).replace('/', '-')}.txt`, file: join(root, 'packages', name, types) }] : [],
  )
})
const program = ts.createProgram(
  entries.map(({ file }) => file),
  {
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    target: ts.ScriptTarget.ES2023,
    skipLibCheck: true,
    types: [],
  },
)
const checker = program.getTypeChecker()

/** `class Dpo`, `const wordCount: (text: string) => number`: the kind, and the type where the name has one of its own. */
function describe(symbol) {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const declaration = target.valueDeclaration ?? target.declarations?.[0]
  const type = () => {
    const flags =
      ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope | ts.TypeFormatFlags.WriteArrowStyleSignature
    return checker.typeToString(checker.getTypeOfSymbolAtLocation(target, declaration), undefined, flags)
  }
  const { flags } = target
  if (flags & ts.SymbolFlags.Class) return `class ${symbol.name} { ${members(target)} }`
  if (flags & ts.SymbolFlags.Function) return `function ${symbol.name}${type()}`
  if (flags & ts.SymbolFlags.Interface) return `interface ${symbol.name} { ${members(target)} }`
  if (flags & ts.SymbolFlags.TypeAlias) return `type ${symbol.name}`
  return `const ${symbol.name}: ${type()}`
}

/** The names of the public members, in the order of their declaration; `?` where one may be absent. */
function members(symbol) {
  const hidden = (member) =>
    member.name.startsWith('__') ||
    (member.declarations ?? []).some((d) => ts.getCombinedModifierFlags(d) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected))
  const shown = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).filter((member) => !hidden(member))
  return shown.map((member) => member.name + (member.flags & ts.SymbolFlags.Optional ? '?' : '')).join(', ')
}

const SIMPLE = /"[^"]*"|\b(?:true|false|boolean|null|undefined|\d+)\b/.source
const UNION = new RegExp(`(?:${SIMPLE})(?: \\| (?:${SIMPLE}))+`, 'g')

/** Literals of a union, and members of an enum, in the order of the alphabet: the compiler's own depends on which file it saw first. */
function settled(text) {
  const sorted = (list, between) => list.split(between).sort().join(between)
  return text
    .replaceAll(/\bZodEnum<\{ (.*?); \}>/g, (_, inside) => `ZodEnum<{ ${sorted(inside, '; ')}; }>`)
    .replaceAll(UNION, (union) => sorted(union, ' | '))
}

function pageOf(file) {
  const source = program.getSourceFile(file)
  if (source === undefined) throw new Error(`${file} is not there: npm run build`)
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source))
  const lines = exported.map((symbol) => settled(describe(symbol))).sort((a, b) => (a < b ? -1 : 1))
  return `${lines.join('\n')}\n`
}

const check = process.argv.includes('--check')
if (!check) mkdirSync(folder, { recursive: true })
for (const { page, file } of entries) {
  const path = join(folder, page)
  const text = pageOf(file)
  const old = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (old === text) continue
  if (check) {
    const [before, after] = [new Set(old.split('\n')), new Set(text.split('\n'))]
    const changes = [
      ...[...before].filter((line) => !after.has(line)).map((line) => `- ${line}`),
      ...[...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
    ]
    console.error(`docs/api/${page} is out of date: node scripts/api.mjs\n${changes.join('\n')}`)
    process.exitCode = 1
  } else writeFileSync(path, text)
}
const known = new Set(entries.map(({ page }) => page))
for (const name of readdirSync(folder).filter((name) => !known.has(name))) {
  console.error(`docs/api/${name} belongs to no entry any more; delete it.`)
  process.exitCode = 1
}
