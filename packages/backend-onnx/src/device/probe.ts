import type { BackendProbe } from '@plumbline/core/base'
import { isSoftware } from './adapter'
import { openDevice } from './open'

/** Opens a device, and closes it. @throws PlumbError as `openDevice` does */
export async function probeDevice(part: string, signal?: AbortSignal): Promise<BackendProbe> {
  const { engine, adapter } = await openDevice(part, signal)
  await engine.close()
  return deviceProbe(adapter, !isSoftware(adapter))
}

/** What an adapter that was opened is told as. */
export function deviceProbe(adapter: string, accelerated: boolean): BackendProbe {
  return {
    usable: true,
    device: `${adapter}, WebGPU`,
    kind: 'webgpu',
    detail: `onnxruntime-node's WebGPU provider on ${adapter}.`,
    accelerated,
  }
}
