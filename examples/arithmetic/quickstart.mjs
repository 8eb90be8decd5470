// Draws the data if it is not there, then runs `plumb run` on this folder's config. Arguments go to `plumb run`.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeData } from './dist/files.js'
import { SIZES } from './dist/splits.js'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))

if (!existsSync(at('data'))) writeData(at('data'), 0)
const problems = readFileSync(at('data/train.jsonl'), 'utf8').split('\n').length - 1
if (problems !== SIZES.train) {
  const drawn = `${at('data')} holds ${problems} training problems, where this version draws ${SIZES.train}.`
  console.error(`${drawn} The README's table is of those: remove the folder to draw them.`)
}
// Ctrl-C reaches the child as well, which saves before it stops; this process waits for it.
process.on('SIGINT', () => undefined)
const plumb = at('../../packages/cli/bin/run.js')
const { status } = spawnSync(process.execPath, [plumb, 'run', '--config', at('plumbline.config.yaml'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
