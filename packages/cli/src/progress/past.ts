import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { RunEvent } from '@plumbline/core'

/** Larger files are not worth the wait: what they would give is the beginning of a small picture. */
const MOST_BYTES = 8 << 20

type Figures = Readonly<Record<string, unknown>>

/** The figures of the steps that were done before: by an earlier process, or all of a stage that is reused. None where they cannot be read. */
export function pastMetrics(event: RunEvent): readonly Figures[] {
  if (event.type === 'stage-reused') return figuresOf(join(event.path, 'metrics.jsonl'))
  if (event.type !== 'stage-start' || event.resumedAt === undefined) return []
  const { resumedAt } = event
  return figuresOf(join(event.path, 'work', 'metrics.jsonl')).filter(({ step }) => typeof step === 'number' && step <= resumedAt)
}

function figuresOf(file: string): Figures[] {
  try {
    if (statSync(file).size > MOST_BYTES) return []
    return readFileSync(file, 'utf8').split('\n').flatMap(parsed)
  } catch {
    return []
  }
}

/** The last line may be a part of one. */
function parsed(line: string): Figures[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? [value as Figures] : []
  } catch {
    return []
  }
}
