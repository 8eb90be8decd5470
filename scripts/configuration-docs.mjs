/**
 * Writes the tables of docs/configuration.md from the schema, and those of docs/coming-from.md from the names that are answered:
 * `npm run build && node scripts/configuration-docs.mjs`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { configReference } = require('@plumbline/core')
const { foreignNamesTable } = require('../packages/core/dist/config/foreign-names.js')

/** Everything between two marks is written anew. */
function fill(page, open, close, content) {
  const file = new URL(`../docs/${page}`, import.meta.url)
  const text = readFileSync(file, 'utf8')
  const [begin, end] = [text.indexOf(open) + open.length, text.indexOf(close)]
  writeFileSync(file, `${text.slice(0, begin)}\n\n${content}\n\n${text.slice(end)}`)
}

fill('configuration.md', '<!-- tables from the schema -->', '<!-- end of the tables -->', configReference())
fill('coming-from.md', '<!-- names of other tools -->', '<!-- end of the names -->', foreignNamesTable())
