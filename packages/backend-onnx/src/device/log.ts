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
    const [, opened] = /Using "(.+)" with driver: "/.exec(line) ?? []
    if (opened !== undefined) this.adapter = opened
    const [, manifest] = /Found ICD manifest file (.+), version/.exec(line) ?? []
    if (manifest !== undefined && !this.manifests.includes(manifest)) this.manifests.push(manifest)
    const [, provider, nodes] = /(?:Node\(s\)|All nodes) placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line) ?? []
    if (provider !== undefined) this.placements.set(provider, (this.placements.get(provider) ?? 0) + Number(nodes))
    if (/ Add Memcpy(?:From|To)Host /.test(line)) this.copies++
    const [, kind, message] = /WebGPU device error\((\d)\): (.*)/.exec(line) ?? []
    if (message !== undefined) this.error ??= { outOfMemory: kind === OUT_OF_MEMORY, message }
  }
}

export interface DeviceError {
  readonly outOfMemory: boolean
  readonly message: string
}

/** wgpu::ErrorType::OutOfMemory */
const OUT_OF_MEMORY = '3'
