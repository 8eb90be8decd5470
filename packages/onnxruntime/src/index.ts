import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * The file to `require` for ONNX Runtime's Node binding: the copy in this package, or, in the repository, onnxruntime-node. There a copy lies for a
 * moment as well, while the package is packed, and must not be taken: it goes away again. Nothing is loaded here, since what the runtime does when
 * it loads depends on the environment.
 */
export function runtimePath(): string {
  const folder = path.join(__dirname, '..')
  const isRepository = existsSync(path.join(folder, 'scripts', 'vendor.mjs'))
  return isRepository ? require.resolve('onnxruntime-node') : path.join(folder, 'vendor', 'dist', 'index.js')
}
