/** Parses the YAML and JSON blocks of pages, and puts those that are parts of a configuration through the real one. */
import { createRequire } from 'node:module'
import { LineCounter, parseDocument } from 'yaml'

const require = createRequire(import.meta.url)
const core = require('@plumbline/core')
const { builtIns } = require('../../packages/cli/dist/run/plugins.js')
const { z } = require('zod')

/** What a block leaves to the reader. */
const REST = {
  model: 'models/llama',
  backend: 'onnx',
  data: { train: { path: 'train.jsonl', format: 'gsm8k' }, test: { path: 'test.jsonl', format: 'gsm8k' } },
  sft: { epochs: 1 },
  align: [{ loss: 'ca', epochs: 1 }],
}

const KEYS = Object.keys(core.configSchema.shape)

/** What a plugin that is not here might register: takes any option. */
const STAND_INS = {
  loss: () => ({
    manifest: {
      name: '',
      feedback: 'either',
      needsReference: false,
      unit: 'question',
      constraint: 'none',
      constraints: ['none'],
      paper: '',
    },
    loss: () => undefined,
  }),
  labeler: () => ({ name: '', feedback: 'binary', label: async () => [] }),
  sampler: () => ({ name: '', sample: async function* () {} }),
  dataset: () => ({ name: '', fields: [], read: async function* () {} }),
  reporter: () => ({ event: () => undefined }),
  backend: () => ({ name: '', probe: async () => ({ usable: true, device: '', detail: '' }), open: async () => undefined }),
}

const KIND_OF_CODE = Object.fromEntries(Object.entries(core.UNKNOWN_CODES).map(([kind, code]) => [code, kind]))

/**
 * @param {{ page: string, blocks: import('./blocks.mjs').Block[] }[]} pages
 * @returns {Promise<{ configurations: number, parsed: number, problems: { page: string, line: number, message: string }[] }>}
 */
export async function checkConfigurations(pages) {
  const problems = []
  let [configurations, parsed] = [0, 0]
  const own = await builtIns('0.0.0')
  for (const { page, blocks } of pages) {
    for (const block of blocks) {
      if (block.language !== 'yaml' && block.language !== 'json') continue
      const refuse = (line, message) => problems.push({ page, line: block.line + line - 1, message })
      const value = block.language === 'json' ? json(block, refuse) : yaml(block, refuse)
      if (value === undefined) continue
      parsed++
      if (block.marks.has('fragment') || !isConfiguration(value)) continue
      configurations++
      // A reader sets it; here any text stands for it.
      for (const [, name] of block.text.matchAll(/\$\{env:(\w+)\}/g)) process.env[name] ??= name
      try {
        resolve(value, own)
      } catch (error) {
        if (!core.isPlumbError(error)) throw error
        // Several problems stand on a line each, the others with their codes.
        for (const message of `${error.code} ${error.message}`.split('\n')) refuse(lineOfKey(block, message), message)
      }
    }
  }
  return { configurations, parsed, problems }
}

/** A map all of whose keys are those of a configuration. */
function isConfiguration(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => KEYS.includes(key))
}

function yaml({ text }, refuse) {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true })
  const [error] = document.errors
  if (error === undefined) return document.toJS()
  refuse(lines.linePos(error.pos[0]).line, error.message.split('\n')[0])
  return undefined
}

/** One document, or one on each line. */
function json({ text }, refuse) {
  try {
    return JSON.parse(text)
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    for (const [n, line] of lines.entries()) {
      try {
        JSON.parse(line)
      } catch {
        refuse(n + 1, `no JSON: ${error.message}`)
        return undefined
      }
    }
    return lines
  }
}

function resolve(value, own) {
  const registry = core.createRegistry(own)
  const config = { ...REST, ...value, data: { ...REST.data, ...value.data }, plugins: [] }
  for (let tries = 0; ; tries++) {
    try {
      core.resolveConfig(core.parseConfig(config, { folder: '/docs' }), registry)
      return
    } catch (error) {
      const kind = KIND_OF_CODE[error.code]
      const name = /"([^"]+)"/.exec(error.message)?.[1]
      // A name that a listed plugin is to bring.
      if (kind === undefined || name === undefined || (value.plugins ?? []).length === 0 || tries > 8) throw error
      registry[kind](name, { options: z.looseObject({}), create: STAND_INS[kind] })
    }
  }
}

/** The line of the key that the message speaks of, or the block's first. */
function lineOfKey({ text }, message) {
  const key = /([\w-]+) (?:is|must|needs|has)\b/.exec(message)?.[1]
  const at = text.split('\n').findIndex((line) => key !== undefined && line.includes(key))
  return at < 0 ? 1 : at + 1
}
