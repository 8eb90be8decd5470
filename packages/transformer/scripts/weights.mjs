// Compiles src/decoding/weights.wat to src/decoding/weights-module.ts.
//
//   node packages/transformer/scripts/weights.mjs [--check]     # --check writes nothing and fails where the module is out of date
import { readFileSync, writeFileSync } from 'node:fs'
import wabt from 'wabt'

const folder = new URL('../src/decoding/', import.meta.url)
const [source, target] = [new URL('weights.wat', folder), new URL('weights-module.ts', folder)]
const { parseWat } = await wabt()
const module = parseWat('weights.wat', readFileSync(source, 'utf8'), { simd: true, sat_float_to_int: true })
module.validate()
const lines = Buffer.from(module.toBinary({}).buffer)
  .toString('base64')
  .match(/.{1,132}/g)
const text = `/** weights.wat, compiled by scripts/weights.mjs; base64. */
export const WEIGHTS_MODULE =
${lines.map((line) => `  '${line}'`).join(' +\n')}
`
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text)
    throw new Error('weights-module.ts is not what weights.wat compiles to; run this without --check')
} else writeFileSync(target, text)
