import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { UserError } from '../errors/user-error'

/** The data files behind a path. */
export interface DataFiles {
  /** One, or the parts of a file that was split. */
  readonly train: readonly string[]
  readonly validation?: string
  /** Absent where there is none: a part of the training questions is then held out. */
  readonly test?: string
  /** Data files of the folder that are not used. */
  readonly others: readonly string[]
}

type Role = 'train' | 'validation' | 'test'

interface Found {
  readonly path: string
  readonly role?: Role
  /** The name without role, part and extension: files of the same one belong together. */
  readonly rest: string
  readonly isPart: boolean
}

const ROLES: Readonly<Record<string, Role>> = {
  train: 'train',
  training: 'train',
  test: 'test',
  testing: 'test',
  heldout: 'test',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  eval: 'validation',
}

const DATA = /\.(jsonl|ndjson|json|csv|tsv|parquet)(\.gz)?$/i
/** Files of JSON that lie beside data and models and are none. */
const NO_DATA = /^(package(-lock)?|tsconfig|dataset_infos?|dataset_info|config|tokenizer.*|generation_config|.*schema|report)\.json$/i
/** Parts as the Hugging Face Hub names them: `train-00000-of-00002`. */
const PART = /[-_.]?\d{3,}-of-\d{3,}/

/**
 * The training, validation and held-out file behind `--data`, by their names: a folder (or its subfolder `data`) with files called train,
 * validation (valid, val, dev) and test, or a training file, whose held-out file lies beside it.
 * @throws UserError PLUMB_INIT_DATA where there is nothing, or more than one file could be meant.
 */
export function findFiles(path: string, test?: string): DataFiles {
  if (!existsSync(path)) throw new UserError('PLUMB_INIT_DATA', 'There is no such file or folder.', path)
  if (test !== undefined && !existsSync(test)) throw new UserError('PLUMB_INIT_DATA', 'There is no such held-out file.', test)
  const isFolder = statSync(path).isDirectory()
  const files = isFolder ? filesOf(path) : siblingsOf(path)
  const train = isFolder ? trainOf(files, path) : [foundAs(path)]
  const rest = train[0]?.rest ?? ''
  const used = new Set(train.map((file) => file.path))
  const beside = (role: Role): string | undefined => {
    const fitting = files.filter((file) => file.role === role && !used.has(file.path) && !file.isPart)
    const chosen = fitting.find((file) => file.rest === rest) ?? fitting.find((file) => file.rest === '') ?? partOf(files, role)
    if (chosen !== undefined) used.add(chosen.path)
    return chosen?.path
  }
  const heldOut = test ?? beside('test')
  const validation = beside('validation')
  const roles =
    heldOut === undefined ? { test: validation } : { test: heldOut, ...(isFolder && validation !== undefined ? { validation } : {}) }
  return {
    train: train.map((file) => file.path),
    ...roles,
    others: isFolder ? files.map((file) => file.path).filter((file) => !used.has(file) && file !== test) : [],
  }
}

/** The only part there is. */
function partOf(files: readonly Found[], role: Role): Found | undefined {
  const parts = files.filter((file) => file.role === role && file.isPart)
  return parts.length === 1 ? parts[0] : undefined
}

function filesOf(folder: string): Found[] {
  const here = listed(folder)
  if (here.length > 0) return here
  const below = join(folder, 'data')
  return existsSync(below) && statSync(below).isDirectory() ? listed(below) : []
}

const siblingsOf = (file: string): Found[] => listed(dirname(file)).filter((found) => basename(found.path) !== basename(file))

function listed(folder: string): Found[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && DATA.test(entry.name) && !NO_DATA.test(entry.name))
    .map(({ name }) => foundAs(join(folder, name)))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

function foundAs(path: string): Found {
  const stem = basename(path).replace(DATA, '').toLowerCase()
  const isPart = PART.test(stem)
  const words = stem.replace(PART, '').split(/[^a-z0-9]+/)
  const at = words.findIndex((word) => Object.hasOwn(ROLES, word))
  const role = at < 0 ? undefined : ROLES[words[at] ?? '']
  return { path, ...(role === undefined ? {} : { role }), rest: words.filter((_, index) => index !== at).join('-'), isPart }
}

function trainOf(files: readonly Found[], folder: string): Found[] {
  const named = files.filter(({ role }) => role === 'train')
  const parts = named.filter(({ isPart }) => isPart)
  if (parts.length > 0 && parts.length === named.length && new Set(parts.map(({ rest }) => rest)).size === 1) return parts
  const whole = named.filter(({ isPart }) => !isPart)
  const plain = whole.filter(({ rest }) => rest === '')
  for (const chosen of [plain, whole]) if (chosen.length === 1) return chosen
  const [only, ...more] = files.filter(({ role }) => role === undefined)
  if (named.length === 0 && only !== undefined && more.length === 0) return [only]
  const names = (named.length > 0 ? named : files).map(({ path }) => basename(path))
  const reason =
    names.length === 0
      ? 'The folder holds no data file (.jsonl, .json, .csv, .tsv, .parquet, also with .gz)'
      : named.length === 0
        ? `No file of the folder is called train (${names.join(', ')})`
        : `Several files of the folder may be the training file (${names.join(', ')})`
  throw new UserError('PLUMB_INIT_DATA', `${reason}; name the training file itself: --data FILE.`, folder)
}
