import type { SourceFigures } from '../seams/run-events'
import type { StageNotice } from '../run/store'

/** What is to be said of a source: what was left out of it and why, and how many of its records a mixture took. */
export function sourceNotice({ source, records, leftOut, drawn, weight }: SourceFigures): StageNotice | undefined {
  const reasons = Object.entries(leftOut)
  const lost = reasons.reduce((sum, [, count]) => sum + count, 0)
  const sentences = [
    ...(lost > 0
      ? [`${lost} of ${records + lost} records of ${source} left out (${reasons.map(([code, count]) => `${count} ${code}`).join(', ')}).`]
      : []),
    ...(weight === undefined ? [] : [`For its weight ${weight}, ${drawnOf(source, records, drawn)}.`]),
  ]
  return sentences.length === 0 ? undefined : { level: lost > 0 ? 'warning' : 'info', message: sentences.join(' ') }
}

function drawnOf(source: string, records: number, drawn: number): string {
  if (drawn === records) return `all ${records} records of ${source} are taken`
  if (drawn < records) return `${drawn} of the ${records} records of ${source} are drawn`
  return `the ${records} records of ${source} are repeated, ${drawn} in all (${(drawn / records).toFixed(2)} times each)`
}
