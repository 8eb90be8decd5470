import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * The file to `require` for ONNX Runtime's Node binding: the copy in this package, or, in the repository, where there is none,
 * onnxruntime-node. Nothing is loaded here, since what the runtime does when it loads depends on the environment.
 */
export function runtimePath(): string {
  const copy = path.join(__dirname, '..', 'vendor', 'dist', 'index.js')
  return existsSync(copy) ? copy : require.resolve('onnxruntime-node')
}
