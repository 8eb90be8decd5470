import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomic } from '@plumbline/core/base'
import { UserError } from '../errors/user-error'

/** A plugin that was installed or linked for the command line, as oclif keeps them. */
export interface Entry {
  readonly name: string
  /** `user`: installed by npm into the data folder; `link`: a folder of its author, used as it is. */
  readonly type: 'user' | 'link'
  /** Of a link, the folder. */
  readonly root?: string
  /** Of an installed one, what was asked for: a version or tag, a path, an address. */
  readonly tag?: string
  readonly url?: string
}

/** The package.json of the data folder: npm's dependencies, and which of them are plugins. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly oclif: { readonly schema: 1; readonly plugins: readonly Entry[] }
}

const EMPTY: Manifest = { oclif: { schema: 1, plugins: [] } }

/** What `plumb plugins` keeps in the user's data folder. oclif reads the same file at every start. */
export class PluginStore {
  constructor(readonly folder: string) {}

  private get file(): string {
    return join(this.folder, 'package.json')
  }

  /** The text of the manifest, to put it back; undefined where there is none. */
  async text(): Promise<string | undefined> {
    return readFile(this.file, 'utf8').catch(() => undefined)
  }

  async putBack(text: string | undefined): Promise<void> {
    await writeFileAtomic(this.file, text ?? JSON.stringify({ private: true, ...EMPTY }, undefined, 2))
  }

  /** @throws UserError PLUMB_PLUGINS_DAMAGED */
  async manifest(): Promise<Manifest> {
    const text = await this.text()
    if (text === undefined) return EMPTY
    try {
      const { oclif, ...rest } = JSON.parse(text) as Partial<Manifest>
      return { ...rest, oclif: { schema: 1, plugins: oclif?.plugins ?? [] } }
    } catch {
      throw new UserError(
        'PLUMB_PLUGINS_DAMAGED',
        'The list of installed plugins is no JSON; delete the file, and install them again.',
        this.file,
      )
    }
  }

  async entries(): Promise<readonly Entry[]> {
    return (await this.manifest()).oclif.plugins
  }

  /** Makes the folder and its manifest, so that npm installs into it and not into one above. */
  async prepare(): Promise<void> {
    await makeFolder(this.folder)
    await this.save(await this.manifest())
  }

  async add(entry: Entry): Promise<void> {
    const manifest = await this.manifest()
    const others = manifest.oclif.plugins.filter(({ name }) => name !== entry.name)
    await this.save({ ...manifest, oclif: { schema: 1, plugins: [...others, entry] } })
  }

  async remove(name: string): Promise<void> {
    const manifest = await this.manifest()
    await this.save({ ...manifest, oclif: { schema: 1, plugins: manifest.oclif.plugins.filter((entry) => entry.name !== name) } })
  }

  /** Where npm put a package. */
  rootOf({ name, root }: Pick<Entry, 'name' | 'root'>): string {
    return root ?? join(this.folder, 'node_modules', name)
  }

  private async save(manifest: Manifest): Promise<void> {
    await writeFileAtomic(this.file, JSON.stringify({ private: true, ...manifest }, undefined, 2))
  }
}
