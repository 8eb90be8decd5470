import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

/** `report.json`, and those under their keys. */
export const REPORT_FILE = /^report(-[0-9a-f]{8})?\.json$/
export const STAGE_FOLDER = /^(sft|sample|label|align|evaluate)(-.+)?-[0-9a-f]{8}$/

const DEEPEST = 4
const PASSED_BY = new Set(['node_modules', '__pycache__'])

/** Whether a folder is what a configuration calls `run`: it holds a report, or a stage's folder. */
export async function isRun(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.some((entry) => (entry.isFile() ? REPORT_FILE.test(entry.name) : entry.isDirectory() && STAGE_FOLDER.test(entry.name)))
}

/** Run folders at or below a folder, in the order of their names. Links are not followed. */
export async function findRuns(folder: string, depth = 0): Promise<string[]> {
  if (await isRun(folder)) return [folder]
  if (depth === DEEPEST) return []
  const found: string[] = []
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (depth === 0) throw error
    return [] // one that may not be read
  })
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !PASSED_BY.has(entry.name))
  for (const { name } of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    found.push(...(await findRuns(path.join(folder, name), depth + 1)))
  }
  return found
}

/** Bytes of a file, or of everything in a folder; what vanishes meanwhile counts nothing. */
export async function bytesOf(target: string): Promise<number> {
  const found = await lstat(target).catch(() => undefined)
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.size
  let bytes = 0
  for (const name of await readdir(target).catch((): string[] => [])) bytes += await bytesOf(path.join(target, name))
  return bytes
}
