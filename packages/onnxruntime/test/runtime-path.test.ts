import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runtimePath } from '../src'

const PACKAGE = join(__dirname, '..')

it('is onnxruntime-node in the repository, of the version that is copied into the package', () => {
  const file = runtimePath()
  expect(file).toBe(createRequire(__filename).resolve('onnxruntime-node'))
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>
  const own = read(join(PACKAGE, 'package.json'))
  const { version } = read(join(dirname(file), '..', 'package.json'))
  expect(own.devDependencies?.['onnxruntime-node']).toBe(version)
  expect(own.dependencies?.['onnxruntime-common']).toBe(version)
  expect(Object.keys(own.scripts ?? {})).toEqual(['prepack', 'postpack']) // none that runs at an installation
})

it('is the copy in an installed package, which has no scripts', () => {
  const installed = mkdtempSync(join(tmpdir(), 'plumbline-onnxruntime-'))
  try {
    mkdirSync(join(installed, 'dist'))
    cpSync(join(PACKAGE, 'dist', 'index.js'), join(installed, 'dist', 'index.js'))
    const { runtimePath: there } = createRequire(__filename)(join(installed, 'dist', 'index.js')) as { runtimePath: typeof runtimePath }
    expect(there()).toBe(join(installed, 'vendor', 'dist', 'index.js'))
  } finally {
    rmSync(installed, { recursive: true })
  }
})
