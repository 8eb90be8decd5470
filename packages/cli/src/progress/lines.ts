import type { StageProgress, RunEvent } from '@plumbline/core'
import { shownPath } from '@plumbline/core/base'
import { formatCount, formatDuration, formatMetric } from './format'

/** Width of the column that holds `align boundary` and the like. */
const LABEL_WIDTH = 20

export type StageEnd = Extract<RunEvent, { type: 'stage-end' }>
export type StageReused = Extract<RunEvent, { type: 'stage-reused' }>
export type RunStart = Extract<RunEvent, { type: 'run-start' }>
export type StageStart = Extract<RunEvent, { type: 'stage-start' }>

/** `align boundary`: a stage and, where it has one, its variant. */
export function stageLabel({ stage, variant }: { stage: string; variant?: string }): string {
  return variant === undefined ? stage : `${stage} ${variant}`
}

/** `align boundary        120/400 steps  loss 1.234  12.3k tokens/s  ETA 0:45` */
export function progressLine(progress: StageProgress): string {
  const { done, total, unit, tokensPerSecond, eta, metrics } = progress
  const figures = [`${String(done).padStart(String(total).length)}/${total} ${unit}`, ...shownMetrics(metrics)]
  if (tokensPerSecond !== undefined) figures.push(`${formatCount(tokensPerSecond)} tokens/s`)
  if (eta !== undefined && done < total) figures.push(`ETA ${formatDuration(eta)}`)
  return columns(stageLabel(progress), figures)
}

/** `models/smollm on onnx (CPU, 2 threads), in runs/default` */
export function runLine({ model, engine, run }: RunStart): string {
  return `${shownPath(model)} on ${engine}, in ${shownPath(run)}`
}

export function startLine(event: StageStart): string {
  const from = event.resumedAt ? `going on at ${event.resumedAt} of ${event.total}` : `starting, ${event.total} to do`
  return columns(stageLabel(event), [event.total > 0 || event.resumedAt ? from : 'starting'])
}

export function endLine(event: StageEnd): string {
  return columns(stageLabel(event), [`done in ${formatDuration(event.seconds)}`, event.summary].filter(Boolean))
}

export function reusedLine(event: StageReused): string {
  return columns(stageLabel(event), ['already done', shownPath(event.path)])
}

/** The loss where there is one; else the stage's first figure, so that every stage shows how it is doing. */
function shownMetrics(metrics: StageProgress['metrics']): string[] {
  if (metrics === undefined) return []
  const name = 'loss' in metrics ? 'loss' : Object.keys(metrics)[0]
  const value = name === undefined ? undefined : metrics[name]
  return value === undefined ? [] : [`${name} ${formatMetric(value)}`]
}

function columns(label: string, figures: readonly string[]): string {
  return [label.padEnd(LABEL_WIDTH), ...figures].join('  ').trimEnd()
}
