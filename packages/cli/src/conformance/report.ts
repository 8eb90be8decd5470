import type { PluginKind } from '@plumbline/core'

/** What became of one sentence of a contract. */
export interface CheckReport {
  readonly id: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** Of a skipped check, why. */
  readonly reason?: string
  /** Of a failed one, the sentence, and what was seen. */
  readonly contract?: string
  readonly evidence?: string
}

/** One thing that the plugin registers, with one set of options. */
export interface ThingReport {
  readonly kind: PluginKind
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly checks: readonly CheckReport[]
  /** Why none of its checks could run. */
  readonly notChecked?: string
}

export interface ConformanceReport {
  readonly plugin: string
  readonly version: string
  /** Plumbline's. */
  readonly plumbline: string
  readonly node: string
  readonly platform: string
  readonly things: readonly ThingReport[]
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export function totals(things: readonly ThingReport[]): Pick<ConformanceReport, 'passed' | 'failed' | 'skipped'> {
  const count = (wanted: CheckReport['outcome']): number =>
    things.flatMap(({ checks }) => checks).filter(({ outcome }) => outcome === wanted).length
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
}

/** The report as Markdown, to paste into an issue or a README. */
export function renderConformance(report: ConformanceReport, title: (kind: PluginKind) => string): string {
  const { plugin, version, plumbline, node, platform, things, passed, failed, skipped } = report
  const named = ({ kind, name, options }: ThingReport): string =>
    `${title(kind)} \`${name}\`${Object.keys(options).length > 0 ? ` with \`${cell(JSON.stringify(options))}\`` : ''}`
  const row = (thing: ThingReport): string => {
    const counts = totals([thing])
    const shown = thing.notChecked === undefined ? `${counts.passed} | ${counts.failed} | ${counts.skipped}` : '– | – | –'
    return `| ${named(thing)} | ${shown} |`
  }
  const unchecked = things.flatMap((thing) =>
    thing.notChecked === undefined ? [] : [`- ${named(thing)}: not checked, ${thing.notChecked}`],
  )
  const failures = things.flatMap((thing) =>
    thing.checks
      .filter(({ outcome }) => outcome === 'failed')
      .map(
        ({ id, contract = '', evidence = '' }) => `### \`${id}\`: ${named(thing)}\n\nExpected: ${contract}\n\n${fenced(evidence.trim())}`,
      ),
  )
  const skips = things.flatMap((thing) =>
    thing.checks.filter(({ outcome }) => outcome === 'skipped').map(({ id, reason = '' }) => `- \`${id}\`, ${named(thing)}: ${reason}`),
  )
  return [
    `# Conformance of ${plugin} ${version}`,
    `Plumbline ${plumbline}, Node ${node}, ${platform}: **${passed} passed, ${failed} failed**, ${skipped} skipped.`,
    things.length === 0
      ? 'The plugin registers nothing.'
      : ['| | passed | failed | skipped |', '| --- | --- | --- | --- |', ...things.map(row)].join('\n'),
    ...(unchecked.length > 0 ? [unchecked.join('\n')] : []),
    ...(failures.length > 0 ? ['## Failed', ...failures] : []),
    ...(skips.length > 0 ? ['## Skipped', skips.join('\n')] : []),
  ].join('\n\n')
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** A block that no line of the text can end. */
function fenced(text: string): string {
  const ticks = '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)))
  return `${ticks}\n${text}\n${ticks}`
}
