import { hashJson, VFT_ROW, type ReportContent } from '@plumbline/core'
import type { FoundStage } from './stages'

/** The stages that one comparison is made of, as far as they are there. */
export interface Lineage {
  readonly sft?: FoundStage
  readonly sample?: FoundStage
  readonly label?: FoundStage
  readonly reference?: FoundStage
  /** In the order of the rows. */
  readonly aligned: readonly FoundStage[]
  /** What the models of further rounds were aligned on: samples, labels and references of their own. */
  readonly further?: readonly FoundStage[]
  readonly tests: readonly TestLineage[]
}

export interface TestLineage {
  /** Of several test sets, its name. */
  readonly set?: string
  readonly candidates?: FoundStage
  /** By the name of the model. */
  readonly evaluations: ReadonlyMap<string, FoundStage>
}

/** More combinations of stages than this are not tried: a folder in which everything was made dozens of times. */
const MOST_TRIES = 100_000

/**
 * The stages of a report. Its key is a hash over the keys of the evaluations, so they are found by trying; all else by the hashes that
 * each stage wrote down of what it was made from. Undefined where evaluations are gone from the folder.
 */
export function lineageOf(report: ReportContent, stages: readonly FoundStage[]): Lineage | undefined {
  const sets = report.rows[0]?.sets?.map(({ name }) => name) ?? [undefined]
  const evaluated = stages.filter(isEvaluation)
  const slots = report.rows.flatMap(({ name }) => sets.map((set) => ({ name, set })))
  const chosen: FoundStage[] = []
  let tries = 0
  const search = (): boolean => {
    const slot = slots[chosen.length]
    if (slot === undefined) {
      tries++
      return keyOf(report, sets, chosen) === report.key
    }
    const sameSet = chosen[slots.findIndex(({ set }) => set === slot.set)]
    for (const stage of evaluated) {
      if (stage.variant !== titleOf(slot) || tries > MOST_TRIES) continue
      if (sameSet !== undefined && sameSet.determinedBy.candidates !== stage.determinedBy.candidates) continue
      chosen.push(stage)
      if (search()) return true
      chosen.pop()
    }
    return false
  }
  if (!search()) return undefined
  const found = slots.map(({ name, set }, s) => ({ name, set, stage: chosen[s] }))
  const tests = sets.map((set) => {
    const own = found.flatMap(({ name, set: of, stage }) => (of === set && stage ? [[name, stage] as const] : []))
    return { set, candidates: candidatesOf(own[0]?.[1], stages), evaluations: new Map(own) }
  })
  const models = new Models(stages)
  const of = (name: string) => {
    const model = found.find((each) => each.name === name)?.stage?.determinedBy.model
    return models.made(model, name === VFT_ROW ? undefined : name)
  }
  const aligned = report.rows.flatMap(({ name }) => (name === VFT_ROW ? [] : (of(name) ?? [])))
  const further = aligned.filter(isFurther).flatMap((each) => {
    const { sample, label, reference } = originsOf(each, models, stages)
    return [sample, label, reference].filter((stage) => stage !== undefined)
  })
  return { ...originsOf(aligned[0] ?? of(VFT_ROW), models, stages), sft: of(VFT_ROW), aligned, further, tests }
}

/** Whether it is of a round behind the first: `boundary+2`. No variant and no test set has such a name. */
const isFurther = ({ variant = '' }: FoundStage) => variant.includes('+')

/** What is there of a run that has no report yet: what the newest stage was made from, and what was made from that. */
export function unfinishedLineage(all: readonly FoundStage[]): Lineage {
  // of several rounds the first, as far as it is
  const stages = all.filter((stage) => !isFurther(stage))
  const models = new Models(stages)
  const evaluation = stages.find(isEvaluation)
  const [newest] = stages
  const own = newest === undefined || newest.stage === 'evaluate' ? evaluation && models.made(evaluation.determinedBy.model) : newest
  const known = originsOf(own ?? newest, models, stages)
  const sft = known.sft ?? stages.find(({ stage }) => stage === 'sft')
  const sample = known.sample ?? stages.find((each) => each.stage === 'sample' && sft && models.isOf(sft, each.determinedBy.model))
  const label = known.label ?? stages.find((each) => each.stage === 'label' && isMadeFrom(each, 'samples', sample, 'samples.jsonl'))
  const aligned = newestOfEach(stages.filter((each) => isAlignment(each) && isMadeFrom(each, 'labels', label, 'groups.jsonl')))
  const evaluated = stages.filter((each) => {
    return isEvaluation(each) && [sft, ...aligned].some((made) => made !== undefined && models.isOf(made, each.determinedBy.model))
  })
  const named = [VFT_ROW, ...aligned.map(({ variant = '' }) => variant)]
  const slots = newestOfEach(evaluated).map((stage) => ({ stage, ...slotOf(stage.variant ?? '', named) }))
  const tests = [...new Set(slots.map(({ set }) => set))].map((set) => {
    const own = slots.filter((slot) => slot.set === set)
    return { set, candidates: candidatesOf(own[0]?.stage, stages), evaluations: new Map(own.map(({ name, stage }) => [name, stage])) }
  })
  return { sft, sample, label, reference: known.reference, aligned: [...aligned].reverse(), tests }
}

/** What a training stage was made from. */
function originsOf(from: FoundStage | undefined, models: Models, stages: readonly FoundStage[]): Omit<Lineage, 'aligned' | 'tests'> {
  const isStage = (name: string) => (from?.stage === name ? from : undefined)
  const label =
    isStage('label') ?? (from && stages.find((each) => each.stage === 'label' && isMadeFrom(from, 'labels', each, 'groups.jsonl')))
  const sample =
    isStage('sample') ?? (label && stages.find((each) => each.stage === 'sample' && isMadeFrom(label, 'samples', each, 'samples.jsonl')))
  const sft = isStage('sft') ?? (sample ? models.made(sample.determinedBy.model) : undefined)
  const reference = label && stages.find((each) => isReference(each) && isMadeFrom(each, 'labels', label, 'groups.jsonl'))
  return { sft, sample, label, reference }
}

/** Models are known to stages by a hash; this finds whose it is. */
class Models {
  /** Of whatever anything was trained from. */
  private readonly starts: readonly unknown[]

  constructor(private readonly stages: readonly FoundStage[]) {
    this.starts = [...new Set(stages.filter(({ stage }) => stage === 'sft' || stage === 'align').map((each) => each.determinedBy.model))]
  }

  /** The stage that made it: of `align` the variant of this name, and stage 1 without one. */
  made(hash: unknown, variant?: string): FoundStage | undefined {
    const own = this.stages.filter((each) => (variant === undefined ? each.stage === 'sft' : isAlignment(each) && each.variant === variant))
    return own.find((each) => this.isOf(each, hash))
  }

  isOf({ manifest }: FoundStage, hash: unknown): boolean {
    const { model, adapter } = manifest?.artifacts ?? {}
    if (hash === undefined) return false
    // a base with an adapter is known by both
    return model === hash || (adapter !== undefined && this.starts.some((base) => hashJson({ base, adapter }) === hash))
  }
}

const isEvaluation = ({ stage, determinedBy }: FoundStage) => stage === 'evaluate' && determinedBy.candidates !== undefined
const isReference = ({ stage, determinedBy }: FoundStage) => stage === 'align' && determinedBy.align === undefined
const isAlignment = ({ stage, determinedBy }: FoundStage) => stage === 'align' && determinedBy.align !== undefined
const titleOf = ({ name, set }: { name: string; set: string | undefined }) => (set === undefined ? name : `${name}@${set}`)

/** Which model on which test set an evaluation is of: `boundary@hard`. A model's name may hold an @ itself. */
function slotOf(variant: string, models: readonly string[]): { readonly name: string; readonly set: string | undefined } {
  const name = models.filter((each) => variant === each || variant.startsWith(`${each}@`)).sort((a, b) => b.length - a.length)[0] ?? variant
  return { name, set: variant === name ? undefined : variant.slice(name.length + 1) }
}

function isMadeFrom(stage: FoundStage, field: string, from: FoundStage | undefined, name: string): boolean {
  const hash = from?.manifest?.artifacts[name]
  return hash !== undefined && stage.determinedBy[field] === hash
}

function candidatesOf(evaluation: FoundStage | undefined, stages: readonly FoundStage[]): FoundStage | undefined {
  if (evaluation === undefined) return undefined
  return stages.find(
    (each) => each.stage === 'evaluate' && each.manifest?.artifacts['candidates.jsonl'] === evaluation.determinedBy.candidates,
  )
}

/** As `makeReport` in core computes it. */
function keyOf({ rows, control }: ReportContent, sets: readonly (string | undefined)[], chosen: readonly FoundStage[]): string {
  const several = rows[0]?.sets !== undefined
  const keys = rows.map(({ name }, r) => {
    const own = chosen.slice(r * sets.length, (r + 1) * sets.length)
    return [name, several ? own.map(({ key }, s) => [sets[s], key]) : own[0]?.key]
  })
  return hashJson({ keys, control }).slice(0, 8)
}

function newestOfEach(stages: readonly FoundStage[]): FoundStage[] {
  return stages.filter(({ variant }, s) => stages.findIndex((each) => each.variant === variant) === s)
}
