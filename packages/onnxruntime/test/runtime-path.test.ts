import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runtimePath } from '../src'

it('is onnxruntime-node where nothing was packed, of the version that is copied into the package', () => {
  const file = runtimePath()
  expect(file).toBe(createRequire(__filename).resolve('onnxruntime-node'))
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>
  const own = read(join(__dirname, '..', 'package.json'))
  const { version } = read(join(dirname(file), '..', 'package.json'))
  expect(own.devDependencies?.['onnxruntime-node']).toBe(version)
  expect(own.dependencies?.['onnxruntime-common']).toBe(version)
  expect(Object.keys(own.scripts ?? {})).toEqual(['prepack', 'postpack']) // none that runs at an installation
})
