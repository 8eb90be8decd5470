// Writes what is derived: from the commands' static descriptions oclif.manifest.json (so that start-up loads no command but the one
// that runs) and the command list of README.md; from docs/troubleshooting.md errors.json, which "plumb explain" reads. With --check it writes nothing and fails where one of them is out of date.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)
process.env.NO_COLOR = '1'
process.env.COLUMNS = '120'
const { CommandHelp, Config, Plugin, settings } = require('@oclif/core')
settings.enableAutoTranspile = false

const plugin = new Plugin({ root, ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true })
await plugin.load()
const commands = Object.fromEntries(Object.entries(plugin.manifest.commands).sort(([a], [b]) => a.localeCompare(b)))
const manifest = `${JSON.stringify({ commands, version: plugin.version }, undefined, 2)}\n`

const config = await Config.load({ root, userPlugins: false })
const readme = readFileSync(join(root, 'README.md'), 'utf8').replace(
  /(<!-- commands -->\n)[\s\S]*(<!-- commandsstop -->)/,
  (_, open, close) => `${open}\n${commandList()}\n\n${close}`,
)

function commandList() {
  const shown = config.commands.filter((command) => !command.hidden).sort((a, b) => a.id.localeCompare(b.id))
  const own = shown.filter((command) => command.pluginName === plugin.name)
  const others = shown.filter((command) => command.pluginName !== plugin.name)
  return [
    ...own.map((command) => `### plumb ${command.id.replaceAll(':', ' ')}\n\n\`\`\`\n${help(command)}\n\`\`\``),
    '### From oclif\n\n' +
      others.map((command) => `- \`plumb ${command.id.replaceAll(':', ' ')}\`: ${render(summary(command))}`).join('\n'),
  ].join('\n\n')
}

function summary({ summary, description }) {
  return summary ?? (description ?? '').split('\n')[0]
}

function render(text) {
  return text.replaceAll('<%= config.bin %>', config.bin)
}

function help(command) {
  const formatted = new CommandHelp(command, config, { maxWidth: 120, stripAnsi: true, respectNoCacheDefault: true }).generate()
  return render(formatted)
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trim()
}

/** The sections of docs/troubleshooting.md whose heading is a code. */
function explanations() {
  const page = readFileSync(join(root, '../../docs/troubleshooting.md'), 'utf8')
  const sections = page.split(/^#{1,3} /m).map((section) => /^(PLUMB_[A-Z_]+)\n([\s\S]+)$/.exec(section))
  return Object.fromEntries(sections.filter(Boolean).map(([, code, text]) => [code, text.trim()]))
}

const errors = `${JSON.stringify(explanations(), undefined, 2)}\n`
const outputs = { 'oclif.manifest.json': manifest, 'README.md': readme, 'errors.json': errors }
const stale = Object.entries(outputs).filter(([name, text]) => read(name) !== text)
if (process.argv.includes('--check')) {
  for (const [name] of stale) console.error(`packages/cli/${name} is out of date: npm run generate -w @plumbline/cli`)
  process.exitCode = stale.length > 0 ? 1 : 0
} else {
  for (const [name, text] of stale) writeFileSync(join(root, name), text)
}

function read(name) {
  try {
    return readFileSync(join(root, name), 'utf8')
  } catch {
    return undefined
  }
}
