/**
 * Type-checks the TypeScript blocks of pages, each page a folder of modules, with the settings that a user's project would have. It is done by the compiler
 * before the native one, which this repository is built with: it can be given texts in place of files, and projects still have it, so that our types are read by both.
 */
import { dirname, join, posix } from 'node:path'
import { createRequire } from 'node:module'
import { root } from '../packing.mjs'

const ts = createRequire(import.meta.url)('typescript')

const OPTIONS = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node', 'jest'],
}

/**
 * Blocks that are marked `fragment` stand for a part of something: their syntax is checked, not their names.
 *
 * @param {{ page: string, blocks: import('./blocks.mjs').Block[] }[]} pages
 * @returns {{ checked: number, parsed: number, problems: { page: string, line: number, message: string }[] }}
 */
export function checkTypeScript(pages) {
  const files = new Map()
  const problems = []
  let parsed = 0
  for (const { page, blocks } of pages) {
    for (const [n, block] of blocks.entries()) {
      if (block.language !== 'ts') continue
      const name = block.file ?? `block-${n}.ts`
      if (block.marks.has('fragment')) {
        parsed++
        for (const diagnostic of parse(block.text)) problems.push(problemOf(page, block, diagnostic))
      } else files.set(join(folderOf(page), posix.normalize(name)), { page, block })
    }
  }
  const folders = new Map(pages.map(({ page }) => [folderOf(page), join(root, dirname(page))]))
  /** What is no block of the page is a file beside it. */
  const real = (file) => {
    for (const [folder, beside] of folders) if (file.startsWith(folder)) return join(beside, file.slice(folder.length))
    return file
  }
  const host = ts.createCompilerHost(OPTIONS)
  const { fileExists, readFile, getSourceFile, directoryExists } = host
  host.fileExists = (file) => files.has(join(file)) || fileExists(real(join(file)))
  host.readFile = (file) => files.get(join(file))?.block.text ?? readFile(real(join(file)))
  host.directoryExists = (folder) => folder.includes('.doc-blocks') || (directoryExists?.call(host, folder) ?? true)
  host.getSourceFile = (file, language, ...rest) => {
    const own = files.get(join(file))
    if (own !== undefined) return ts.createSourceFile(file, own.block.text, language, true)
    const source = real(join(file))
    if (source === join(file)) return getSourceFile.call(host, file, language, ...rest)
    const text = readFile(source)
    return text === undefined ? undefined : ts.createSourceFile(file, text, language, true)
  }
  host.getCurrentDirectory = () => root
  const program = ts.createProgram([...files.keys()], OPTIONS, host)
  for (const [file, { page, block }] of files) {
    const source = program.getSourceFile(file)
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    for (const diagnostic of found) problems.push(problemOf(page, block, diagnostic))
  }
  return { checked: files.size, parsed, problems }
}

const folderOf = (page) => join(root, '.doc-blocks', page.replaceAll(/[/.]/g, '-'))

/** Syntax alone, of TypeScript or JavaScript. */
export function parse(text, file = 'block.ts') {
  const { diagnostics = [] } = ts.transpileModule(text, {
    reportDiagnostics: true,
    fileName: file,
    compilerOptions: { target: OPTIONS.target, allowJs: true },
  })
  return diagnostics
}

export function problemOf(page, block, { start = 0, messageText }) {
  const lines = block.text.trimEnd().split('\n').length
  const line = block.line + Math.min(lines, block.text.slice(0, start).split('\n').length) - 1
  return { page, line, message: ts.flattenDiagnosticMessageText(messageText, ' ') }
}
