import { shownPath } from '@plumbline/core/base'

/** What the operating system refuses, as sentences for whose disk, paths and limits it is. */
const SENTENCES: Readonly<Record<string, string>> = {
  // room
  ENOSPC: 'The disk is full',
  EDQUOT: 'The disk quota is used up',
  EFBIG: 'The file would be larger than is allowed here',
  // permission
  EROFS: 'The file system is read-only',
  EACCES: 'Permission is denied',
  EPERM: 'The operation is not permitted',
  // what is at a path
  ENOENT: 'There is no such file or folder; it may have been deleted or moved meanwhile',
  EEXIST: 'There is something of this name already',
  ENOTDIR: 'A part of this path is a file, where a folder was expected',
  EISDIR: 'This is a folder, where a file was expected',
  ENOTEMPTY: 'The folder is not empty; another program may be writing into it',
  ENAMETOOLONG: 'The name is longer than the file system allows',
  ELOOP: 'The link leads round in a circle',
  EXDEV:
    'The two places lie on different file systems, and nothing can be moved between them; keep a run folder, with all that is in it, on one',
  ENXIO: 'This is a device or a socket, where a file was expected',
  ENODEV: 'There is no such device',
  // trouble with the disk
  EIO: 'The disk or terminal could not be read or written',
  EBUSY: 'The file is in use by another program',
  ETXTBSY: 'The file is in use by another program',
  ESTALE: 'The network file system no longer knows this file',
  ETIMEDOUT: 'The file system did not answer in time',
  ENOTSUP: 'The file system does not support this',
  EOPNOTSUPP: 'The file system does not support this',
  EINVAL: 'The file system does not allow this',
  // limits of the process
  EMFILE: 'Too many files are open; "ulimit -n" shows the limit',
  ENFILE: 'Too many files are open on this machine',
  EAGAIN: 'The system gives this process no more threads or memory; "ulimit -u" and a container’s pid limit say how many there may be',
  ENOMEM: 'There is not enough memory',
  ERR_WORKER_INIT_FAILED:
    'The system gives this process no more threads; "ulimit -u" and a container’s pid limit say how many there may be',
  ERR_WORKER_OUT_OF_MEMORY: 'There is not enough memory',
}

/** Refusals that arrive as texts of libraries, without a code. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [
    /WebAssembly\.(Memory|Instance)|Array buffer allocation failed|Invalid typed array length|bad_alloc|[Oo]ut of memory|failed to allocate/,
    'There is not enough memory, or less address space than is needed ("ulimit -v" shows the limit)',
  ],
  [
    /pthread_(create|setaffinity_np).*failed|Resource temporarily unavailable|thread constructor failed/i,
    'The system gives this process no more threads; "ulimit -u" and a container’s pid limit say how many there may be',
  ],
]

export interface SystemRefusal {
  readonly where?: string
  readonly message: string
}

/** What the system refused, if the error, or what caused it, is such a refusal; undefined for all others. */
export function systemRefusal(error: unknown, depth = 0): SystemRefusal | undefined {
  if (typeof error !== 'object' || error === null || depth > 5) return undefined
  const { code, path, dest, syscall, message, cause, errors } = error as NodeJS.ErrnoException & {
    readonly dest?: string
    readonly errors?: readonly unknown[]
  }
  const place = path ?? dest
  const where = place === undefined ? {} : { where: shownPath(place) }
  if (code === 'ERR_INVALID_ARG_VALUE' && /without null bytes/.test(message)) {
    return { message: 'A path holds a NUL character, which no file system allows (ERR_INVALID_ARG_VALUE).' }
  }
  const sentence = typeof code === 'string' ? SENTENCES[code] : undefined
  if (sentence !== undefined) {
    const what = place === undefined && syscall !== undefined ? `, at "${syscall}"` : ''
    return { ...where, message: `${sentence} (${code}${what}).` }
  }
  const isPlumbline = typeof code === 'string' && code.startsWith('PLUMB_')
  const text = isPlumbline ? undefined : TEXTS.find(([pattern]) => pattern.test(message))
  if (text !== undefined) return { ...where, message: `${text[1]}: ${firstLine(message)}` }
  return systemRefusal(cause, depth + 1) ?? errors?.map((inner) => systemRefusal(inner, depth + 1)).find(Boolean)
}

function firstLine(message: string): string {
  const [line = ''] = message.split('\n')
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}
