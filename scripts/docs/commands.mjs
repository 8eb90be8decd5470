/** Checks every `plumb …` of the pages against the commands that there are: their names, their flags, and the values that a flag takes. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../packing.mjs'
import { inlineCode } from './blocks.mjs'

const require = createRequire(join(root, 'packages', 'cli', 'package.json'))
const { Config, settings } = require('@oclif/core')

const SHELLS = ['', 'sh', 'bash', 'console', 'shell']

/**
 * @param {{ page: string, text: string, blocks: import('./blocks.mjs').Block[] }[]} pages
 * @returns {Promise<{ checked: number, problems: { page: string, line: number, message: string }[] }>}
 */
export async function checkCommands(pages) {
  settings.enableAutoTranspile = false
  const config = await Config.load({ root: join(root, 'packages', 'cli'), userPlugins: false })
  const commands = new Map(
    config.commands.flatMap((command) => [command.id, ...command.aliases].map((id) => [id.replaceAll(':', ' '), command])),
  )
  const topics = new Set(config.topics.map(({ name }) => name.replaceAll(':', ' ')))
  const problems = []
  let checked = 0
  const check = (page, line, words) => {
    checked++
    const message = problemWith(words, commands, topics)
    if (message !== undefined) problems.push({ page, line, message: `${['plumb', ...words].join(' ')}: ${message}` })
  }
  for (const { page, text, blocks } of pages) {
    if (page === 'packages/cli/README.md') continue // its list of commands is written by them
    for (const block of blocks.filter(({ language }) => SHELLS.includes(language))) {
      for (const [n, line] of block.text.replaceAll(/\\\n/g, ' \n').split('\n').entries()) {
        for (const words of callsIn(line, block.language)) check(page, block.line + n, words)
      }
    }
    for (const { code, line } of inlineCode(text)) for (const words of callsIn(code, '')) check(page, line, words)
  }
  return { checked, problems }
}

/** The words behind `plumb` in a line of shell: of each command of a chain. A block without a language may be anything, so there it must begin the line. */
function callsIn(line, language) {
  const code = line.replace(/(^|\s)#.*$/, '')
  const parts = language === '' ? [code] : code.split(/&&|\|\||;|\|/)
  return parts.flatMap((part) => {
    const match = /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx (?:--\S+ )*)?plumb((?: .*)?)$/.exec(part)
    if (match === null) return []
    const words = match[1].match(/"[^"]*"|'[^']*'|\S+/g) ?? []
    const end = words.findIndex((word) => /^(>|2>|\||&&|;)/.test(word))
    return [end < 0 ? words : words.slice(0, end)]
  })
}

function problemWith(words, commands, topics) {
  if (words.length === 0 || words[0].startsWith('-')) {
    const flag = words[0]
    return flag === undefined || ['--help', '-h', '--version', '-v'].includes(flag) ? undefined : `there is no ${flag}`
  }
  // Not a command line but words of a sentence, or a stand-in for one.
  if (!/^[a-z]/.test(words[0])) return undefined
  for (let length = Math.min(3, words.length); length > 0; length--) {
    const command = commands.get(words.slice(0, length).join(' '))
    if (command !== undefined) return flagProblem(words.slice(length), command)
  }
  return topics.has(words[0]) && words.length === 1 ? undefined : 'there is no such command'
}

function flagProblem(words, { flags }) {
  const known = new Map(
    Object.entries(flags).flatMap(([name, flag]) => [
      [`--${name}`, flag],
      ...(flag.char ? [[`-${flag.char}`, flag]] : []),
      ...(flag.allowNo ? [[`--no-${name}`, flag]] : []),
    ]),
  )
  for (const [n, word] of words.entries()) {
    if (!/^--?[a-zA-Z]/.test(word)) continue
    if (['--help', '-h'].includes(word)) continue
    const [name, inline] = word.split('=')
    const flag = known.get(name) ?? known.get(word.slice(0, 2))
    if (flag === undefined) return `there is no flag ${name}`
    const value = inline ?? words[n + 1]
    if (flag.type === 'option' && value === undefined) return `${name} needs a value`
    if (flag.options !== undefined && /^[\w.-]+$/.test(value) && !/^[A-Z_]+$/.test(value) && !flag.options.includes(value))
      return `${name} is one of ${flag.options.join(', ')}`
  }
  return undefined
}
