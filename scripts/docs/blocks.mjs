/** The fenced blocks of a Markdown page. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../packing.mjs'

/**
 * @typedef {object} Block
 * @property {string} language as behind the fence, '' where there is none
 * @property {ReadonlySet<string>} marks other words behind the fence, e.g. `fragment`
 * @property {string | undefined} file of `file=src/x.ts`
 * @property {number} line of its first line, counted from 1
 * @property {string} text
 */

/** Pages whose blocks are checked: what a reader meets, and nothing generated or kept for its authors. */
export function pages() {
  const docs = readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', String(name)))
  const readmes = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name, 'README.md')),
  )
  return ['README.md', 'CONTRIBUTING.md', ...docs.sort(), ...readmes]
    .map((page) => page.replaceAll('\\', '/'))
    .filter((page) => page.endsWith('.md') && exists(page))
}

function exists(page) {
  try {
    readFileSync(join(root, page))
    return true
  } catch {
    return false
  }
}

/** @returns {Block[]} */
export function blocksOf(text) {
  const blocks = []
  let open
  for (const [n, line] of text.split('\n').entries()) {
    const fence = /^( *)(`{3,})(.*)$/.exec(line)
    if (open === undefined) {
      if (fence === null) continue
      const [language = '', ...words] = fence[3].trim().split(/\s+/)
      const file = words.find((word) => word.startsWith('file='))?.slice('file='.length)
      open = { language, marks: new Set(words), file, line: n + 2, lines: [], ticks: fence[2], indent: fence[1].length }
    } else if (fence !== null && fence[2].length >= open.ticks.length && fence[3].trim() === '') {
      const { lines, language, marks, file, line: first } = open
      blocks.push({ language, marks, file, line: first, text: lines.map((each) => `${each}\n`).join('') })
      open = undefined
    } else open.lines.push(line.slice(Math.min(open.indent, /^ */.exec(line)[0].length)))
  }
  return blocks
}

/** Text in backticks outside of blocks, with its line. */
export function inlineCode(text) {
  const prose = text.replaceAll(/^ *(`{3,})[^]*?^ *\1 *$/gm, (block) => block.replaceAll(/[^\n]/g, ' '))
  return [...prose.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map((match) => ({
    code: match[1],
    line: prose.slice(0, match.index).split('\n').length,
  }))
}
