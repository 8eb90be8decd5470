import { mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isPlumbError, PlumbError } from '../errors'
import type { ReportRow, RunEvent } from '../seams/run-events'
import { streamLines } from '../run/files'
import { lockFolder } from '../run/lock'
import { Spools } from '../run/spool'
import { RunStore } from '../run/store'
import { valueAt } from '../util/sequence'
import { joinedMarks } from './assess'
import { StageContext } from './context'
import { askedOf, checkJudgeable, readTests, type TestSet } from './data'
import { answersOnly, type Evaluation } from './evaluate'
import type { Answer } from './records'
import { row } from './report'
import { withConfigOrBare, withModels, type ModelsOptions } from './run-models'

/** A data file as `data.test` has it: `path` (absolute), `format`, and what else belongs to it. */
export type WrittenData = Readonly<Record<string, unknown>> & { readonly path: string }

export interface EvaluateOnOptions extends Omit<ModelsOptions, 'only'> {
  /** A model of the run, or a model folder. */
  readonly model: string
  /** Another one, which differences are to. */
  readonly baseline?: string
  /** Each is a test set of its own. */
  readonly data: readonly WrittenData[]
  readonly onEvent?: (event: RunEvent) => void
  /** Answered within a micro-batch. */
  readonly signal?: AbortSignal
  /**
   * A folder for this alone, where answers are until there are all of them: an evaluation that was stopped or killed goes on where it was when it
   * is given the same one. In the end all that it holds is removed. When absent, nothing is kept.
   */
  readonly workFolder?: string
}

/** What a model answered, and how it was judged. */
export interface EvaluatedAnswer extends Answer {
  readonly model: string
  /** Of several test sets, its name. */
  readonly set?: string
  readonly prompt: string
  /** The expected final answer, where the file has one. */
  readonly expected?: string
}

export interface EvaluationOn {
  /** The model's row, then the baseline's; of several test sets with a part for each. */
  readonly rows: readonly ReportRow[]
  /** Answers of each row by how they were judged. */
  readonly statuses: readonly Readonly<Record<Answer['status'], number>>[]
  readonly judge: string
  readonly notices: readonly string[]
  /** Every answer, in the order of rows and questions. */
  answers(): AsyncGenerator<EvaluatedAnswer>
}

/**
 * Greedy answers of a model, and of a baseline, to the questions of data files, judged as the evaluate stage of the run judges those of `data.test`: by the same
 * code, with the same prompts, lengths and stop strings.
 *
 * @throws PlumbError PLUMB_EVAL_SAME_MODEL, PLUMB_EVAL_NO_ANSWER; PLUMB_RUN_LOCKED where another process works in the same folder; those of
 *   `withModels`, of reading data, and of the stage; PLUMB_INTERRUPTED.
 */
export async function evaluateOn<T>(options: EvaluateOnOptions, use: (evaluation: EvaluationOn) => Promise<T>): Promise<T> {
  const { model, baseline, data, onEvent = () => undefined, signal } = options
  const only = [model, ...(baseline === undefined ? [] : [baseline])]
  const temporary = await mkdtemp(path.join(tmpdir(), 'plumb-eval-'))
  const { workFolder: folder = path.join(temporary, 'run') } = options
  const spools = new Spools(temporary)
  let unlock: (() => Promise<void>) | undefined
  let isBegun = false as boolean
  const test = `data.test=${JSON.stringify(data.length === 1 ? data[0] : data)}`
  const overrides = [...(options.overrides ?? []), test, `run=${folder}`]
  try {
    unlock = await lockFolder(folder, { title: 'this evaluation' })
    const result = await withModels({ ...options, only }, onEvent, async ({ models, backend }) => {
      const [first, second] = models
      if (first === undefined) throw new Error('no model was chosen')
      if (second !== undefined && second.model.hash === first.model.hash) {
        throw new PlumbError(
          'PLUMB_EVAL_SAME_MODEL',
          `${model} and the baseline ${baseline} are the same model: there is nothing to compare.`,
        )
      }
      // on the device of the run, which this folder knows nothing of
      return withConfigOrBare({ ...options, only, overrides }, onEvent, async (resolved) => {
        const { config } = resolved
        const reading = { spools, seed: config.seed, strategy: undefined, onSource: () => undefined }
        const tests = await readTests(resolved.data.test, reading)
        await checkJudgeable(resolved, tests)
        for (const { records, title } of tests) {
          if (askedOf(resolved, records).length > 0) continue
          const message = `No question of ${title} has an answer to compare with: nothing can be judged.`
          throw new PlumbError('PLUMB_EVAL_NO_ANSWER', message)
        }
        isBegun = true
        const context = new StageContext(resolved, backend, await RunStore.open(folder), signal, onEvent)
        const evaluated: { readonly name: string; readonly whole: Evaluation; readonly parts: readonly Part[] }[] = []
        for (const { name, model: own } of models) {
          const parts: Part[] = []
          for (const test of tests) parts.push({ test, ...(await answersOnly(context, test, fileName(name), own)) })
          evaluated.push({ name, whole: whole(name, parts), parts })
        }
        const control = evaluated[1]?.whole
        return use({
          rows: evaluated.map(({ whole: own }) => row(own, own === control ? undefined : control)),
          statuses: evaluated.map(({ whole: { answers } }) => counts(answers)),
          judge: resolved.judge.name,
          notices: [...new Set(context.notices)],
          answers: async function* () {
            for (const { name, parts } of evaluated) for (const part of parts) yield* answersOf(name, part)
          },
        })
      })
    })
    isBegun = false
    return result
  } catch (error) {
    if (!signal?.aborted || isPlumbError(error)) throw error
    const kept = options.workFolder !== undefined && isBegun ? 'what is answered is kept' : 'nothing of the evaluation is kept'
    throw new PlumbError('PLUMB_INTERRUPTED', `Stopped; ${kept}.`, undefined, { cause: error })
  } finally {
    spools.close()
    if (unlock !== undefined) {
      if (!isBegun) await empty(folder)
      await unlock()
      // What is not empty is kept, or is another process's by now.
      await rmdir(folder).catch(() => undefined)
    }
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Removes all that a folder holds, except for the lock on it. */
async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.lock')) await rm(path.join(folder, name), { recursive: true, force: true })
  }
}

type Part = Awaited<ReturnType<typeof answersOnly>> & { readonly test: TestSet }

function whole(name: string, parts: readonly Part[]): Evaluation {
  const answers = joinedMarks(parts.map((part) => part.answers))
  return parts.length === 1 ? { name, answers } : { name, answers, sets: parts }
}

function counts(answers: Evaluation['answers']): Record<Answer['status'], number> {
  const found = { right: 0, wrong: 0, unparsed: 0, ranked: 0 }
  for (const { status } of answers) found[status]++
  return found
}

/** Answers stand in the order of their questions; of those that were skipped there is none. */
async function* answersOf(model: string, { test, file }: Part): AsyncGenerator<EvaluatedAnswer> {
  let q = -1
  for await (const { id, ...answer } of streamLines<Answer>(file)) {
    do q++
    while (valueAt(test.records, q).id !== id)
    const { prompt, answer: expected } = valueAt(test.records, q)
    yield {
      model,
      ...(test.name === undefined ? {} : { set: test.name }),
      id,
      prompt,
      ...(expected === undefined ? {} : { expected }),
      ...answer,
    }
  }
}

/** A path as the name of a stage's folder. */
function fileName(name: string): string {
  return (path.basename(path.resolve(name)).replace(/[^A-Za-z0-9._-]+/g, '-') || 'model').slice(0, 64)
}
