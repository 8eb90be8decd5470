/** What the runtime and the graphics library say in an engine process's error stream, and nothing else tells. */
export class DeviceLog {
  /** The adapter that was opened, by its own name; the Vulkan loader reports it when asked by VK_LOADER_DEBUG. */
  adapter: string | undefined
  /** The Vulkan drivers' manifest files, in the order they are tried. */
  readonly manifests: string[] = []
  /** The first error of the device. Commands after it may have been dropped, so that nothing computed since can be trusted. */
  error: DeviceError | undefined

  /** Nodes by the provider that runs them, over all sessions; only said at the verbose level. */
  readonly placements = new Map<string, number>()
  /** Nodes that copy between devices inside a session; only said at the verbose level. */
  copies = 0

  read(line: string): void {
    // https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDebugging.md
    const opened = /Using "(.+)" with driver: "/.exec(line)
    if (opened) this.adapter = opened[1]
    const manifest = /Found ICD manifest file (.+), version/.exec(line)
    if (manifest && !this.manifests.includes(manifest[1])) this.manifests.push(manifest[1])
    const placed = /(?:Node\(s\)|All nodes) placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line)
    if (placed) this.placements.set(placed[1], (this.placements.get(placed[1]) ?? 0) + Number(placed[2]))
    if (/ Add Memcpy(?:From|To)Host /.test(line)) this.copies++
    const failed = /WebGPU device error\((\d)\): (.*)/.exec(line)
    if (failed) this.error ??= { outOfMemory: failed[1] === OUT_OF_MEMORY, message: failed[2] }
  }
}

export interface DeviceError {
  readonly outOfMemory: boolean
  readonly message: string
}

/** wgpu::ErrorType::OutOfMemory */
const OUT_OF_MEMORY = '3'
