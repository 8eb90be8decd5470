import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { replaceFolder, writeDurably } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'
import { packageManifest, type License } from './manifest'
import { strategyName, type Template } from './names'

const TEMPLATES = join(__dirname, '..', '..', 'templates')

export interface NewPackage {
  readonly template: Template
  readonly name: string
  /** Absolute. */
  readonly folder: string
  readonly license: License
  /** Plumbline's version, which the package asks for. */
  readonly plumbline: string
}

export interface Created {
  readonly folder: string
  /** The name by which a configuration chooses it. */
  readonly strategy: string
  readonly files: readonly string[]
  /** The workspace that the package is a part of, where it is in one. */
  readonly workspace?: string
}

/**
 * Writes a package, whole or not at all.
 * @throws UserError PLUMB_CREATE_EXISTS, PLUMB_CREATE_NAME
 */
export async function createPackage({ template, name, folder, license, plumbline }: NewPackage): Promise<Created> {
  const strategy = strategyName(name, template)
  refuseFilled(folder)
  const workspace = workspaceOf(folder)
  const files = new Map<string, string>([['package.json', packageManifest(template, name, license, plumbline)]])
  const filled = (text: string): string => text.replaceAll('plumbline-plugin-template', name).replaceAll('template-name', strategy)
  for (const part of ['common', template]) {
    for (const file of filesUnder(join(TEMPLATES, part))) {
      const target = file.replace(/(^|[/\\])dot-/, '$1.')
      if (target.startsWith('licenses')) continue
      // A workflow below a workspace's root is one that nobody runs.
      if (target.startsWith('.github') && workspace !== undefined) continue
      files.set(target, filled(readFileSync(join(TEMPLATES, part, file), 'utf8')))
    }
  }
  if (license !== 'none') files.set('LICENSE', filled(readFileSync(join(TEMPLATES, 'common', 'licenses', license), 'utf8')))
  files.set('README.md', `${files.get('README.md') ?? ''}${working(workspace)}`)
  if (existsSync(folder)) await rmdir(folder) // an empty one, checked above; rmdir refuses any other
  await replaceFolder(folder, async (temporary) => {
    for (const [file, text] of files) {
      await mkdir(dirname(join(temporary, file)), { recursive: true })
      await writeDurably(join(temporary, file), text)
    }
  })
  return { folder, strategy, files: [...files.keys()].sort(), ...(workspace === undefined ? {} : { workspace }) }
}

function refuseFilled(folder: string): void {
  if (!existsSync(folder)) return
  if (!statSync(folder).isDirectory()) throw new UserError('PLUMB_CREATE_EXISTS', 'A file has this name.', folder)
  const [first] = readdirSync(folder)
  if (first !== undefined)
    throw new UserError(
      'PLUMB_CREATE_EXISTS',
      `The folder is not empty: it has ${JSON.stringify(first)}, for one. Nothing was written.`,
      folder,
    )
}

/** The nearest folder above with workspaces, of npm, yarn or pnpm. */
function workspaceOf(folder: string): string | undefined {
  for (let current = dirname(folder); ; current = dirname(current)) {
    if (existsSync(join(current, 'pnpm-workspace.yaml'))) return current
    try {
      const { workspaces } = JSON.parse(readFileSync(join(current, 'package.json'), 'utf8')) as { readonly workspaces?: unknown }
      if (workspaces !== undefined) return current
    } catch {
      // none here
    }
    if (current === dirname(current)) return undefined
  }
}

function filesUnder(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    return entry.isDirectory() ? filesUnder(folder, path) : [path]
  })
}

function working(workspace: string | undefined): string {
  return `
## Working on it

\`\`\`sh
npm install${workspace === undefined ? '' : ' # in the root of the workspace'}
npm test                # compiles, and runs the conformance suite
plumb plugins link .    # every run of yours then finds it; a change of the code is trained again
plumb conformance .     # a report to paste
\`\`\`
`
}
