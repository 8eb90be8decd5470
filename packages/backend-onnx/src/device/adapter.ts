import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Names of adapters that compute on the CPU. */
const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|microsoft basic|\bwarp\b/i

export function isSoftware(adapter: string): boolean {
  return SOFTWARE.test(adapter)
}

export function nameContains(adapter: string, part: string): boolean {
  return adapter.toLowerCase().includes(part.toLowerCase())
}

/**
 * Adapters as the system lists them, for systems whose graphics library does not report the one it opened: hardware where there is
 * any, which the runtime prefers too.
 */
export async function systemAdapters(platform: NodeJS.Platform = process.platform): Promise<string[]> {
  const run = promisify(execFile)
  const names = async () => {
    if (platform === 'darwin') return parseDisplays((await run('system_profiler', ['SPDisplaysDataType', '-json'])).stdout)
    if (platform !== 'win32') return []
    const command = '(Get-CimInstance Win32_VideoController).Name'
    return parseLines((await run('powershell.exe', ['-NoProfile', '-Command', command])).stdout)
  }
  const found = await names().catch(() => [])
  const hardware = found.filter((name) => !isSoftware(name))
  return hardware.length > 0 ? hardware : found
}

/** Chip names in the JSON of macOS's `system_profiler SPDisplaysDataType`. */
export function parseDisplays(json: string): string[] {
  const { SPDisplaysDataType: displays = [] } = JSON.parse(json) as { SPDisplaysDataType?: readonly { sppci_model?: string }[] }
  return displays.flatMap(({ sppci_model }) => (sppci_model ? [sppci_model] : []))
}

export function parseLines(text: string): string[] {
  return text.split(/\r?\n/).flatMap((line) => (line.trim() ? [line.trim()] : []))
}
