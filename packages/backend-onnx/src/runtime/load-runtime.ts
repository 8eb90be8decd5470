import type * as Ort from 'onnxruntime-common'
import { isMainThread, workerData } from 'node:worker_threads'
import { PlumbError } from '@plumbline/core/base'
import { runtimePath } from '@plumbline/onnxruntime'

/** ONNX Runtime's Node binding. */
type Runtime = typeof Ort & { listSupportedBackends(): readonly { readonly name: string; readonly bundled: boolean }[] }

/** The only door to the runtime: nothing else requires it, so that its telemetry is off before it loads. */
export function loadRuntime(): Runtime {
  turnTelemetryOff()
  // An import would be moved above the call.
  // oxlint-disable-next-line typescript/no-require-imports
  return require(runtimePath()) as Runtime
}

/**
 * What the runtime's native library reads, once, when its environment is made: with `1` it starts no collector of events, writes no
 * device id and looks up no host (docs/Privacy.md of microsoft/onnxruntime). Without it, it does all three on Linux and macOS.
 */
const VARIABLE = 'ORT_DISABLE_TELEMETRY'

/** What `threadPort` tells its thread: that the thread's `process.env` is the process's own. */
export interface EngineThreadData {
  readonly sharesEnvironment: boolean
}

/**
 * Turns the runtime's telemetry off, before the native library is loaded.
 *
 * The library reads the process's environment. The main thread writes it through `process.env`; another thread has a copy, which the
 * library does not see, unless it was started with `SHARE_ENV` from the main thread, as an engine is.
 *
 * @throws PlumbError PLUMB_TELEMETRY_ON in a thread that cannot turn it off and does not find it turned off.
 */
export function turnTelemetryOff(): void {
  if (process.env[VARIABLE] === '1') return
  if (!isMainThread && !(workerData as Partial<EngineThreadData> | null)?.sharesEnvironment) {
    const message =
      `onnxruntime would send usage data, and a worker thread cannot turn that off; expected ${VARIABLE}=1 in the environment, ` +
      'or @plumbline/backend-onnx imported by the main thread before it starts this one.'
    throw new PlumbError('PLUMB_TELEMETRY_ON', message)
  }
  process.env[VARIABLE] = '1'
}

// With the import of this package: threads that are started later inherit it.
if (isMainThread) turnTelemetryOff()

/** For the threads started from here: whether what they write to `process.env` reaches the process. */
export const sharesEnvironment: boolean = isMainThread || (workerData as Partial<EngineThreadData> | null)?.sharesEnvironment === true
