import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunReport } from '@plumbline/core'
import { plumb, TINY_CONFIG, tinyProject } from './cli'

const ROOT = join(__dirname, '..', '..', '..')
const guide = readFileSync(join(ROOT, 'docs', 'plugins.md'), 'utf8')

/** The first code block of a language. */
function block(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(guide)
  if (found === null) throw new Error(`docs/plugins.md has no ${language} block`)
  return found[1]!
}

it('the plugin of docs/plugins.md works as it stands there, with the config of docs/plugins.md', async () => {
  const [head, , tail] = TINY_CONFIG.split(/^(?=plugins:|run:)/m)
  const fake = /plugins: \[(.*)\]/.exec(TINY_CONFIG)?.[1] ?? ''
  const shown = block('yaml').replace('plugins: [', `plugins: [${fake}, `).replace('steps: 200', 'steps: 2')
  const config = `${head}${tail!.replace(/^align:[\s\S]*/m, '')}${shown}`
  const cwd = tinyProject(config)
  writeFileSync(join(cwd, 'index.mjs'), block('js'))
  symlinkSync(join(ROOT, 'node_modules'), join(cwd, 'node_modules'))
  const { code, stdout } = await plumb(['run', '--json'], { cwd })
  expect(code).toBe(0)
  expect((JSON.parse(stdout) as RunReport).rows.map(({ name }) => name)).toEqual(['VFT', 'margin'])
})
