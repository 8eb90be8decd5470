import { printable } from '@plumbline/core/base'

/** One line of `plumb doctor`. `missing` is for what is optional and not there. */
export interface Check {
  readonly status: 'ok' | 'missing' | 'warning' | 'error'
  readonly name: string
  readonly detail: string
}

const MARKS: Readonly<Record<Check['status'], string>> = { ok: 'ok', missing: '-', warning: 'warning', error: 'ERROR' }

export function renderChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return printable(checks.map(({ status, name, detail }) => `${MARKS[status].padEnd(7)}  ${name.padEnd(width)}  ${detail}`).join('\n'))
}
