import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A tiny Llama, adapters that PEFT made for it, and what PEFT makes of them: see `make_adapters.py`. */
export const PEFT = join(__dirname, '../fixtures/peft')

export const peftJson = (name: string): unknown => JSON.parse(readFileSync(join(PEFT, name), 'utf8'))
