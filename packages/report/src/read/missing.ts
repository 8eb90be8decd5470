import { VFT_ROW, type ReportContent } from '@plumbline/core'
import type { Lineage } from './lineage'
import type { FoundStage } from './stages'

/** What a page cannot show, a sentence each. */
export function missingOf(report: ReportContent | undefined, isFound: boolean, lineage: Lineage): string[] {
  if (report !== undefined) return isFound ? incomplete(report, lineage) : [GONE]
  const { sft, sample, label, aligned, tests } = lineage
  const sentences = ['The run is not finished, so there is no table of results yet; “plumb run” goes on with it.']
  const say = (title: string, stage: FoundStage | undefined) => {
    if (stage === undefined) sentences.push(`${title}: not begun.`)
    else if (stage.manifest === undefined) sentences.push(`${title}: begun in ${stage.name}, not finished.`)
  }
  say('Stage 1 (sft)', sft)
  say('Sampling (sample)', sample)
  say('Labelling (label)', label)
  if (aligned.length === 0) sentences.push('Alignment (align): no variant begun.')
  for (const stage of aligned) say(`Alignment of ${stage.variant ?? ''}`, stage)
  const evaluations = tests.flatMap(({ evaluations: all }) => [...all.values()])
  if (evaluations.length === 0)
    sentences.push('Evaluation (evaluate): no model evaluated, so there are no scores, no answers and no calibration.')
  for (const { set, evaluations: own } of tests)
    for (const name of [VFT_ROW, ...aligned.map(({ variant = '' }) => variant)])
      say(`Evaluation of ${name}${set === undefined ? '' : ` on ${set}`}`, own.get(name))
  return sentences
}

const GONE =
  'The stages that this report was made from are no longer in the folder: what is shown is the report file alone, without curves, scores, answers and configuration.'

/** A report whose evaluations are there, and what they were made from is not. */
function incomplete({ rows }: ReportContent, { sft, sample, label, aligned, tests }: Lineage): string[] {
  const gone = (is: boolean, what: string) => (is ? [`${what} is no longer in the folder.`] : [])
  return [
    ...gone(sft === undefined, 'The training of stage 1'),
    ...gone(sample === undefined, 'The stage that sampled'),
    ...gone(label === undefined, 'The stage that labelled'),
    ...rows.flatMap(({ name }) => gone(name !== VFT_ROW && !aligned.some(({ variant }) => variant === name), `The training of ${name}`)),
    ...gone(
      tests.some(({ candidates }) => candidates === undefined),
      'The stage with the test candidates',
    ),
  ]
}
