import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { folderWith } from '../support/files'

const CORE = path.join(__dirname, '../../dist/index.js')

/** Packages of plugins, each beside copies of what is shared, which say so when they are loaded. */
const copy = (name: string, version: string): Record<string, string> => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version, main: 'index.js' }),
  [`node_modules/${name}/index.js`]: `console.log('copy of ${name}'); exports.z = {}; exports.tensor = () => 0`,
})

const under = (folder: string, files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]))

const ESM = `
import { definePlugin } from '@plumbline/core'
import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
export default definePlugin({ name: 'esm', apiVersion: 1, register() {}, marks: [typeof tf.relu, typeof z.strictObject] })
`
const CJS = `
const { definePlugin } = require('@plumbline/core')
const tf = require('@tensorflow/tfjs-core')
const { z } = require('zod')
module.exports = definePlugin({ name: 'cjs', apiVersion: 1, register() {}, marks: [typeof tf.relu, typeof z.strictObject] })
`
const same = { ...copy('@plumbline/core', '0.1.7'), ...copy('@tensorflow/tfjs-core', '4.22.0'), ...copy('zod', '4.9.9') }

const folder = folderWith({
  ...under('esm', { ...same, 'index.mjs': ESM }),
  ...under('cjs', { ...same, 'index.cjs': CJS }),
  ...under('bare', { 'index.mjs': ESM, 'index.cjs': CJS }),
  ...under('old', {
    ...copy('zod', '3.25.0'),
    'index.cjs': `require('zod'); module.exports = { name: 'old', apiVersion: 1, register() {} }`,
  }),
})

/** Loads a plugin in a process of its own, with the built core: what is printed, and which functions the plugin found. */
function load(file: string): { printed: string; problem: string } {
  const script = `
    const core = require(${JSON.stringify(CORE)})
    core.loadPlugins([${JSON.stringify(path.join(folder, file))}], { from: process.cwd() }).then(
      async ([plugin]) => console.log(plugin.name),
      (error) => console.log(error.message),
    )`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', cwd: folder })
  return { printed: stdout, problem: stderr }
}

describe('what a process should hold once', () => {
  it.each(['esm/index.mjs', 'cjs/index.cjs'])('is not loaded a second time by %s, which has copies of compatible releases', (file) => {
    expect(load(file)).toEqual({ printed: `${file.split('/')[0]!}\n`, problem: '' })
  })

  it.each([
    ['bare/index.mjs', 'esm'],
    ['bare/index.cjs', 'cjs'],
  ])('is there for %s, which has none', (file, name) => {
    expect(load(file)).toEqual({ printed: `${name}\n`, problem: '' })
  })

  it('stays the plugin’s own where it is another major version', () => {
    expect(load('old/index.cjs')).toEqual({ printed: 'copy of zod\nold\n', problem: '' })
  })
})
