// Copies the files of onnxruntime-node that a program needs into vendor/, for npm pack; with --remove takes them away again.
//
// PLUMBLINE_RUNTIME=this copies the native library of this machine's platform alone, which is a sixth of them: enough for what is tried
// here and not published.
import { copyFileSync, cpSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LICENSE = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const vendor = join(root, 'vendor')
rmSync(vendor, { recursive: true, force: true })
if (!process.argv.includes('--remove')) fill()

function fill() {
  const source = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..')
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).devDependencies['onnxruntime-node']
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  if (version !== wanted) throw new Error(`onnxruntime-node ${version} is installed; ${wanted} was expected.`)
  mkdirSync(join(vendor, 'dist'), { recursive: true })
  for (const file of readdirSync(join(source, 'dist')).filter((name) => name.endsWith('.js')))
    cpSync(join(source, 'dist', file), join(vendor, 'dist', file))
  const libraries = join(source, 'bin')
  const own = join(process.platform, process.arch)
  for (const entry of readdirSync(libraries, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const folder = entry.parentPath.slice(libraries.length + 1)
    if (process.env.PLUMBLINE_RUNTIME === 'this' && !folder.endsWith(own)) continue
    const target = join(vendor, 'bin', folder)
    mkdirSync(target, { recursive: true })
    place(join(entry.parentPath, entry.name), join(target, entry.name))
  }
  if (process.env.PLUMBLINE_RUNTIME === 'this' && !existsSync(join(vendor, 'bin'))) throw new Error(`There is no library for ${own}.`)
  writeFileSync(join(vendor, 'LICENSE'), LICENSE)
}

/** A second name for the same bytes where the file system has that; nearly 300 MB are copied otherwise. */
function place(from, to) {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
  }
}
