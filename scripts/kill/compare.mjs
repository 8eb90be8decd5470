// Whether two run folders hold the same, byte for byte.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** When things happened, who works here: not artifacts. */
const NOT_COMPARED = [/^log\.jsonl$/, /^events\//, /^\.lock/, /(^|\/)\.?caches?\//]

export function artifacts(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      relative(folder, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .filter((name) => !NOT_COMPARED.some((pattern) => pattern.test(name)))
    .sort()
}

/** One sentence per file that differs, in the order in which they were written; none when all is the same. */
export function differences(expected, actual) {
  const [there, here] = [artifacts(expected), artifacts(actual)]
  const written = (name) => (here.includes(name) ? statSync(join(actual, name)).mtimeMs : Infinity)
  const names = [...new Set([...there, ...here])].sort((a, b) => compare(written(a), written(b)) || (a < b ? -1 : 1))
  return names.flatMap((name) => {
    if (!here.includes(name)) return [`${name} is missing`]
    if (!there.includes(name)) return [`${name} is left over: an undisturbed run has no such file`]
    const said = difference(readFileSync(join(expected, name)), readFileSync(join(actual, name)))
    return said === undefined ? [] : [`${name}: ${said}`]
  })
}

const compare = (a, b) => (a === b ? 0 : a < b ? -1 : 1)

function difference(expected, actual) {
  if (expected.equals(actual)) return undefined
  const at = expected.findIndex((byte, n) => byte !== actual[n])
  const from = at < 0 ? Math.min(expected.length, actual.length) : at
  const sizes = expected.length === actual.length ? `${expected.length} bytes` : `${actual.length} bytes instead of ${expected.length}`
  if (expected.subarray(0, 4096).includes(0)) {
    let count = 0
    for (let n = 0; n < Math.min(expected.length, actual.length); n++) if (expected[n] !== actual[n]) count++
    return `${sizes}, ${count} of them differ, the first at ${from}`
  }
  const line = expected.subarray(0, from).toString().split('\n').length
  const around = (bytes) => JSON.stringify(bytes.subarray(Math.max(0, from - 60), from + 60).toString())
  return `${sizes}, line ${line} differs first:\n      undisturbed …${around(expected)}…\n      killed      …${around(actual)}…`
}
