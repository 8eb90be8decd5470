import path from 'node:path'
import {
  backendChecks,
  ContractViolation,
  dicePolicy,
  labelerChecks,
  lossChecks,
  readerChecks,
  reporterChecks,
  runChecks,
  samplerChecks,
  type Check,
} from '@plumbline/conformance'
import {
  isGiven,
  type FactoryContext,
  type Labeler,
  type ModelSource,
  type Plugin,
  type PluginKind,
  type PluginRegistry,
  type Sampler,
} from '@plumbline/core'
import type { CheckReport, ThingReport } from './report'
import { CHECKED_KINDS, type Subjects } from './subjects'

type Options = Readonly<Record<string, unknown>>

export interface CheckedPlugin {
  readonly plugin: Plugin
  readonly registry: PluginRegistry
  readonly context: FactoryContext
  readonly subjects: Subjects
  /** The package's folder: paths in conformance.json are relative to it. */
  readonly root: string
  /** A model folder for backends, in the place of the one in conformance.json. */
  readonly model?: string
  /** Called as a check begins. */
  readonly onCheck: (thing: Omit<ThingReport, 'checks'>, id: string) => void
}

/** Everything that the plugin registered. */
export function thingsOf({
  plugin,
  registry,
}: Pick<CheckedPlugin, 'plugin' | 'registry'>): { readonly kind: PluginKind; readonly name: string }[] {
  return CHECKED_KINDS.flatMap((kind) =>
    registry
      .names(kind)
      .filter((name) => plugin.name in registry.find(kind, name).code)
      .map((name) => ({ kind, name })),
  )
}

/** Runs the suite of one thing, for each of its sets of options. */
export async function checkThing(checked: CheckedPlugin, kind: PluginKind, name: string): Promise<ThingReport[]> {
  const { subjects } = checked
  const given = subjects.of(kind, name)
  const sets = given?.options ?? defaultSets(checked, kind, name)
  const reports: ThingReport[] = []
  for (const options of sets) reports.push(await checkOne(checked, kind, name, options, given?.except ?? {}))
  return reports
}

/** A loss that offers constraints is tried with each. */
function defaultSets({ registry, context }: CheckedPlugin, kind: PluginKind, name: string): readonly Options[] {
  if (kind !== 'loss') return [{}]
  const { factory } = registry.find('loss', name)
  const plain = factory.options.safeParse({})
  if (!plain.success) return [{}]
  const { constraints, constraint } = factory.create(plain.data, context).manifest
  const others = constraints.filter((each) => each !== constraint && factory.options.safeParse({ constraint: each }).success)
  return [{}, ...others.map((each) => ({ constraint: each }))]
}

async function checkOne(
  checked: CheckedPlugin,
  kind: PluginKind,
  name: string,
  options: Options,
  except: Readonly<Record<string, string>>,
): Promise<ThingReport> {
  const thing = { kind, name, options }
  const run = async <Subject>(checks: readonly Check<Subject>[], subject: Subject): Promise<ThingReport> => ({
    ...thing,
    checks: await outcomes(checks, subject, except, (id) => checked.onCheck(thing, id)),
  })
  const not = (notChecked: string): ThingReport => ({ ...thing, checks: [], notChecked })
  const { registry, context, subjects, plugin } = checked
  const parse = registry.find(kind, name).factory.options.safeParse(options)
  if (!parse.success)
    return not(
      `since its options ${JSON.stringify(options)} are refused (${parse.error.issues[0]?.message ?? ''}); conformance.json can say others`,
    )
  const made = <K extends PluginKind>(wanted: K) => {
    const { factory } = registry.find(wanted, name)
    return () => factory.create(factory.options.parse(options), context)
  }
  switch (kind) {
    case 'loss':
      return run(lossChecks, { factory: made('loss'), plugin })
    case 'labeler': {
      const factory: () => Labeler = made('labeler')
      if (factory().needsGiven) return not('since it only hands on the labels of the data')
      return run(labelerChecks, { factory, examples: subjects.of('labeler', name)?.examples })
    }
    case 'sampler': {
      const factory = made('sampler')
      if (isGiven(factory())) return not('since its candidates are given and not sampled')
      return run(samplerChecks, {
        factory: () => factory() as Sampler,
        policy: async () => dicePolicy(),
        prompts: subjects.of('sampler', name)?.prompts,
      })
    }
    case 'dataset': {
      const files = subjects.of('dataset', name)
      if (files === undefined) return not(`for want of a sound file and a broken one ("dataset/${name}" in conformance.json)`)
      return run(readerChecks, { factory: made('dataset'), good: files.good, bad: files.bad })
    }
    case 'backend': {
      const model = modelOf(checked, name)
      if (model === undefined) return not(`for want of a small model (--model, or "backend/${name}" in conformance.json)`)
      return run(backendChecks, { factory: made('backend'), model })
    }
    case 'reporter':
      return run(reporterChecks, { factory: made('reporter'), endMs: subjects.of('reporter', name)?.endMs })
  }
}

function modelOf({ subjects, root, model }: CheckedPlugin, name: string): ModelSource | undefined {
  if (model !== undefined) return { kind: 'folder', path: model }
  const given = subjects.of('backend', name)?.model
  if (given?.kind === 'folder') return { ...given, path: path.resolve(root, given.path) }
  return given && { ...given, tokenizer: given.tokenizer === '' ? '' : path.resolve(root, given.tokenizer) }
}

async function outcomes<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
  except: Readonly<Record<string, string>>,
  onCheck: (id: string) => void,
): Promise<CheckReport[]> {
  const reports: CheckReport[] = []
  for (const check of checks) {
    const reason = except[check.id]
    if (reason !== undefined) {
      reports.push({ id: check.id, outcome: 'skipped', reason: `an exception: ${reason}` })
      continue
    }
    onCheck(check.id)
    const [result] = await runChecks([check], subject)
    if (result?.outcome === 'failed') {
      const { error } = result
      reports.push({
        id: check.id,
        outcome: 'failed',
        contract: check.contract,
        evidence: error instanceof ContractViolation ? error.evidence : error.message,
      })
    } else if (result) reports.push(result)
  }
  return reports
}
