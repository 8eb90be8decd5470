// The paper's claims on the generated world: see README.md and DESIGN.md. `node examples/paper/run.mjs --help`
import { fileURLToPath } from 'node:url'
import { main } from './dist/study/main.js'

process.exitCode = await main(process.argv.slice(2), fileURLToPath(new URL('.', import.meta.url)))
