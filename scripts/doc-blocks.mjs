// Checks what the pages show: TypeScript is type-checked, JavaScript and JSON and YAML are parsed, configurations go through the real loader,
// and every `plumb …` must be a command with these flags. Status 1 where something is wrong; each problem is a line `page:line  what`.
//
//   npm run build && node scripts/doc-blocks.mjs [PAGE…]
//
// Words behind a fence say what a block is:
//   ```ts                      a module of its own, type-checked
//   ```ts file=src/loss.ts     a module of this name, which other blocks of the page import (./loss); documentation tests run those
//   ```ts fragment             a part of something: its syntax alone is checked
//   ```yaml                    a configuration, or a part of one, where all its keys are a configuration's; other YAML is parsed
//   ```yaml fragment           parsed alone
// Names that a configuration with `plugins:` uses and nothing built in has are taken for the plugin's.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './packing.mjs'
import { blocksOf, pages as allPages } from './docs/blocks.mjs'
import { checkCommands } from './docs/commands.mjs'
import { checkConfigurations } from './docs/configurations.mjs'
import { checkTypeScript, parse, problemOf } from './docs/typescript.mjs'

const names = process.argv.length > 2 ? process.argv.slice(2) : allPages()
const pages = names.map((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  return { page, text, blocks: blocksOf(text) }
})
const code = checkTypeScript(pages)
const scripts = pages.flatMap(({ page, blocks }) =>
  blocks
    .filter(({ language }) => ['js', 'mjs', 'cjs'].includes(language))
    .flatMap((block) => parse(block.text, 'block.js').map((found) => problemOf(page, block, found))),
)
const configurations = await checkConfigurations(pages)
const commands = await checkCommands(pages)
const problems = [...code.problems, ...scripts, ...configurations.problems, ...commands.problems].sort(
  (a, b) => names.indexOf(a.page) - names.indexOf(b.page) || a.line - b.line,
)
for (const { page, line, message } of problems) console.error(`${page}:${line}  ${message}`)
console.log(
  `${pages.length} pages: ${code.checked} modules type-checked, ${code.parsed} fragments, ${configurations.parsed} blocks of YAML and JSON, ` +
    `${configurations.configurations} of them configurations, ${commands.checked} commands; ${problems.length} problems`,
)
process.exitCode = problems.length > 0 ? 1 : 0
