// Writes the tables of docs/paper.md from results/: node examples/paper/summary.mjs
import { fileURLToPath } from 'node:url'
import { writeSummary } from './dist/study/summary.js'

writeSummary(fileURLToPath(new URL('.', import.meta.url)))
