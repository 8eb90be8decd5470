import { isPlumbError, PlumbError } from '@plumbline/core/base'
import { EngineClient } from '../worker/client'
import { isSoftware, nameContains, systemAdapters } from './adapter'
import { ProcessPort } from './process-port'

/** An engine whose device is open, without a model yet. */
export interface DeviceEngine {
  readonly engine: EngineClient
  /** The adapter by its own name. */
  readonly adapter: string
}

/**
 * The part of an adapter's name in a `device` option: '' for `webgpu`, `llvm` for `webgpu:llvm`.
 * @returns undefined for a device that is not WebGPU.
 */
export function requestedAdapter(device: string | undefined): string | undefined {
  const match = /^webgpu(?::(.*))?$/.exec(device ?? '')
  if (match?.[1] === '')
    throw new PlumbError('PLUMB_DEVICE_UNSUPPORTED', 'Device "webgpu:" names no adapter; expected a part of its name after the colon.')
  return match ? (match[1] ?? '') : undefined
}

/**
 * Opens the best adapter, or the one whose name contains `part`. Only a name lets one in that computes on the CPU.
 * @param signal ends the engine at once when it aborts, also later
 * @throws PlumbError PLUMB_DEVICE_NOT_FOUND, PLUMB_DEVICE_IS_SOFTWARE
 */
export async function openDevice(part: string, signal?: AbortSignal): Promise<DeviceEngine> {
  signal?.throwIfAborted()
  const first = await start({}, signal)
  const names = first.adapters
  if (part === '' && !names.some(isSoftware)) return { engine: first.engine, adapter: names.join(' or ') }
  if (part !== '' && names.every((name) => nameContains(name, part))) return { engine: first.engine, adapter: names.join(' or ') }
  await first.engine.close()
  if (part === '') {
    const message = `WebGPU finds no GPU here, only "${names[0]}", which computes on the CPU; expected a GPU, or the device "webgpu:${names[0]!.split(' ')[0]}" to take it all the same.`
    throw new PlumbError('PLUMB_DEVICE_IS_SOFTWARE', message)
  }
  // The runtime takes what it likes best: it is shown one Vulkan driver at a time.
  const found = [...names]
  for (const manifest of first.manifests) {
    const next = await start({ VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest }, signal).catch(() => undefined)
    if (next?.adapters.every((name) => nameContains(name, part))) return { engine: next.engine, adapter: next.adapters[0]! }
    await next?.engine.close()
    for (const name of next?.adapters ?? []) if (!found.includes(name)) found.push(name)
  }
  throw new PlumbError(
    'PLUMB_DEVICE_NOT_FOUND',
    `No WebGPU adapter's name contains "${part}"; found ${found.map((name) => `"${name}"`).join(', ')}.`,
  )
}

interface Started {
  readonly engine: EngineClient
  /** The adapter, or the ones it can be. */
  readonly adapters: readonly string[]
  readonly manifests: readonly string[]
}

async function start(environment: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<Started> {
  const port = new ProcessPort(environment, signal)
  const engine = new EngineClient(port)
  try {
    await engine.call('openDevice')
    const { adapter, manifests } = port.log
    const adapters = adapter === undefined ? await systemAdapters() : [adapter]
    if (adapters.length > 0) return { engine, adapters, manifests }
    throw new PlumbError(
      'PLUMB_DEVICE_NOT_FOUND',
      'WebGPU opened an adapter whose name cannot be learnt; expected a Vulkan loader of version 1.3.234 or newer, which tells it.',
    )
  } catch (error) {
    await engine.close()
    if (isPlumbError(error)) throw error
    const reason = /Failed to [^\n]*/.exec((error as Error).message)?.[0] ?? (error as Error).message
    throw new PlumbError(
      'PLUMB_DEVICE_NOT_FOUND',
      `WebGPU finds no adapter here (${reason}); expected a GPU with a driver for Vulkan, Metal or D3D12.`,
    )
  }
}
