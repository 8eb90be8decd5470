import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '..', '..')

interface Installed {
  readonly bin?: Readonly<Record<string, string>>
}

/** Packages that bring a command of each name to the folder that npm's scripts look into, by the lock file. */
function bringers(packages: Readonly<Record<string, Installed>>): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [path, { bin }] of Object.entries(packages)) {
    const [before, name, more] = path.split('node_modules/')
    if (before !== '' || name === undefined || more !== undefined) continue
    for (const command of Object.keys(bin ?? {})) found.set(command, [...(found.get(command) ?? []), name])
  }
  return found
}

// Which of two packages gets a name is left to chance by npm: a second compiler once built this repository on some machines and not on others.
test('no two packages bring the same command', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Installed>>
  }
  const found = bringers(packages)
  expect(found.get('tsc')).toEqual(['typescript'])
  // jest's command is jest-cli's.
  const twice = [...found].filter(([command, names]) => names.length > 1 && command !== 'jest')
  expect(twice).toEqual([])
})
