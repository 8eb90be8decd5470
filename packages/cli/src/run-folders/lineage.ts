import { hashJson } from '@plumbline/core'
import type { FoundStage, Lineage } from '@plumbline/report'

/** The stages that one comparison is made of. */
export function membersOf({ sft, sample, label, reference, aligned, tests }: Lineage): FoundStage[] {
  const evaluated = tests.flatMap(({ candidates, evaluations }) => [candidates, ...evaluations.values()])
  return [sft, sample, label, reference, ...aligned, ...evaluated].filter((stage) => stage !== undefined)
}

/**
 * The stages with everything that they were made from, and what was computed once beside them (reference scores). Stages know what they were made from by its hash,
 * so of two stages that made the same bytes both are taken. A model that is an adapter on an adapter's base is known by a hash that cannot be told from here: where
 * something was made from such a one, every stage that left an adapter is taken.
 */
export function withOrigins(roots: Iterable<FoundStage>, all: readonly FoundStage[]): Set<FoundStage> {
  const starts = [...new Set(all.flatMap(({ stage, determinedBy: { model } }) => (stage === 'sft' || stage === 'align' ? [model] : [])))]
  const products = new Map(all.map((stage) => [stage, productsOf(stage, starts)]))
  const kept = new Set(roots)
  const wanted: FoundStage[] = [...kept]
  const keep = (stage: FoundStage) => {
    if (kept.has(stage)) return
    kept.add(stage)
    wanted.push(stage)
  }
  for (let stage = wanted.pop(); stage !== undefined; stage = wanted.pop()) {
    const named = new Set(textsIn(stage.determinedBy))
    for (const other of all) if (products.get(other)?.some((hash) => named.has(hash))) keep(other)
    const labels = stage.manifest?.artifacts['groups.jsonl']
    if (labels !== undefined) for (const other of all) if (isBeside(other, labels)) keep(other)
    if (wanted.length > 0) continue
    const unknown = [...kept].some((each) => isUnknown(each, products))
    if (unknown) for (const other of all) if (other.manifest?.artifacts.adapter !== undefined) keep(other)
  }
  return kept
}

/** Scores under the frozen policy, which any variant of the same labels reads. */
function isBeside({ stage, determinedBy }: FoundStage, labels: string): boolean {
  return stage === 'align' && determinedBy.align === undefined && determinedBy.labels === labels
}

function productsOf({ manifest }: FoundStage, starts: readonly unknown[]): string[] {
  const { adapter, ...others } = manifest?.artifacts ?? {}
  return [...Object.values(others), ...(adapter === undefined ? [] : starts.map((base) => hashJson({ base, adapter })))]
}

/** Whether what a stage was made from is made by no stage here, or, of an adapter that is handed on, by one that cannot be told from its start. */
function isUnknown({ stage, determinedBy: { model } }: FoundStage, products: ReadonlyMap<FoundStage, readonly string[]>): boolean {
  if (typeof model !== 'string' || stage === 'sft') return false
  return ![...products.values()].some((hashes) => hashes.includes(model))
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsIn)
}
