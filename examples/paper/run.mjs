// The paper's claims on the generated world: see README.md and DESIGN.md. `node examples/paper/run.mjs --help`
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))

if (existsSync(at('dist/study/main.js'))) {
  const { main } = await import('./dist/study/main.js')
  process.exitCode = await main(process.argv.slice(2), at('.'))
} else {
  console.error('examples/paper is not built; npm run setup installs and builds everything.')
  process.exitCode = 2
}
