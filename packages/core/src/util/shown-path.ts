import path from 'node:path'

/** A path as messages show it: relative where it lies below the working directory, `.` for that one. */
export function shownPath(file: string, cwd: string = process.cwd()): string {
  const relative = path.relative(cwd, file)
  if (relative === '') return '.'
  // Only a way up leads outside: a name may begin with two dots.
  const isOutside = relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)
  return path.isAbsolute(file) && !isOutside ? relative : file
}
