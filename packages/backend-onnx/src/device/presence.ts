import { existsSync, readdirSync } from 'node:fs'

/** Files by which Linux shows a GPU's driver: NVIDIA's, and the one of Windows' subsystem for Linux. */
const DRIVERS = ['/dev/nvidiactl', '/dev/dxg']

export interface Seen {
  readonly platform: NodeJS.Platform
  /** Names in `/dev/dri`. */
  readonly rendering: readonly string[]
  exists(file: string): boolean
}

/** Whether the system looks as if it had a GPU. None is opened for that, which takes a process and seconds; a software adapter is no sign of one. */
export function mayHaveGpu({ platform, rendering, exists }: Seen = seen()): boolean {
  if (platform === 'darwin' || platform === 'win32') return true
  return rendering.some((name) => name.startsWith('renderD')) || DRIVERS.some(exists)
}

function seen(): Seen {
  return { platform: process.platform, rendering: existsSync('/dev/dri') ? readdirSync('/dev/dri') : [], exists: existsSync }
}
