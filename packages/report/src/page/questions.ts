import { changeOf, overallChange, type Change, type Shown } from '../read/questions'
import type { RunRecord } from '../read/run'
import { count, fixed } from './figures'
import { escaped, html, Markup } from './html'
import type { Names } from './parts'

/** Longer texts are cut in the middle, and say so: a page of thousands of questions must still open at once. */
const LONGEST = 2400
const SUMMARY = 160

const CODES: Readonly<Record<Change, string>> = { 'right→wrong': 'rw', 'wrong→right': 'wr', wrong: 'ww', right: 'rr', unasked: 'u' }

/** The questions, those that changed first, each to be opened; filters and orders are added by the page's script. */
export function questions(run: RunRecord, names: Names): Markup {
  const { shown, marks, models } = run
  if (marks.length === 0) return html`<p>There are no test candidates and no answers yet.</p>`
  const own = models.map(({ name }) => name)
  const withoutText = shown.some(({ prompt }) => prompt === undefined)
  const left = marks.length - shown.length
  return html`<p>
      Test questions: those that a variant unlearnt (<b class="w">right→wrong</b>) first, then those that it learnt (<b class="r"
        >wrong→right</b
      >), then the others. The marks are of the greedy answers, in the order ${own.map((name, m) => html`${m > 0 ? ', ' : ''}${name}`)}: ✓
      right, ✗ wrong, · not asked. Open one to see its candidates, their labels and their scores before and after.
      ${left > 0 ? html`<b>Shown are ${count(shown.length)} of ${count(marks.length)} questions</b>; <code>plumb report --questions</code> says how many.` : ''}
      ${withoutText ? 'The version that made this run did not keep the texts of the questions: they are named by their ids.' : ''}
    </p>
    ${tally(run)}
    <div class="browser" data-models="${JSON.stringify(own)}">
      <form class="controls" hidden>
        <label
          >Model
          <select name="model"></select
        ></label>
        <label
          >Answer
          <select name="change"></select>
        </label>
        <label
          >Order
          <select name="order"></select
        ></label>
        <label>Search <input type="search" name="text" placeholder="text, id or answer" /></label>
        <output aria-live="polite"></output>
      </form>
      <div class="list">${new Markup(shown.map((question, q) => entry(question, q, own, names)).join('\n'))}</div>
    </div>
    <p class="on-paper">On paper: the questions that are open on the screen.</p>`
}

/** How many questions each variant learnt and unlearnt, of all and not only of those shown. */
function tally({ marks, models }: RunRecord): Markup {
  const [, ...variants] = models
  if (variants.length === 0) return html``
  const kinds: readonly Change[] = ['right→wrong', 'wrong→right', 'right', 'wrong']
  return html`<div class="scroll">
    <table class="tally">
      <thead>
        <tr>
          <th scope="col">Answers before → after</th>
          <th scope="col" class="n">right→wrong</th>
          <th scope="col" class="n">wrong→right</th>
          <th scope="col" class="n">right both times</th>
          <th scope="col" class="n">wrong both times</th>
        </tr>
      </thead>
      <tbody>
        ${variants.map(({ name }, v) => {
          const changes = marks.map((each) => changeOf(each, each.right[v + 1]))
          return html`<tr data-model="${name}">
            <th scope="row">${name}</th>
            ${kinds.map((kind) => html`<td class="n" data-change="${CODES[kind]}">${count(changes.filter((each) => each === kind).length)}</td>`)}
          </tr>`
        })}
      </tbody>
    </table>
  </div>`
}

/**
 * One question, in as little markup as will do: there are thousands. `data-a` holds a letter for each model's answer (r, w, or - where there is none), `data-m`
 * the margin between right and wrong candidates before and after.
 */
function entry(question: Shown, place: number, models: readonly string[], names: Names): string {
  const { marks, prompt, expected } = question
  const answers = marks.right.map((right) => (right === undefined ? '-' : right ? 'r' : 'w')).join('')
  // equal ones in a row share their markup
  const symbols = answers.replace(/-+|r+|w+/g, (run) =>
    run[0] === '-' ? '·'.repeat(run.length) : `<b class=${run[0]}>${(run[0] === 'r' ? '✓' : '✗').repeat(run.length)}</b>`,
  )
  const title = prompt === undefined ? '' : `<span>${escaped(start(prompt))}</span>`
  const set = marks.set === undefined ? '' : `<i>${escaped(marks.set)}</i>`
  const details = [
    ...(prompt === undefined ? [] : [`<p class=t>${text(prompt)}</p>`]),
    ...(expected === undefined ? [] : [`<p>Expected: <b>${escaped(expected)}</b></p>`]),
    ...candidatesOf(question, models, names),
    ...answersOf(question, models),
  ].join('')
  return `<details class=q data-n=${place} data-c=${CODES[overallChange(marks)]} data-a="${answers}" data-m="${marginsOf(question)}"><summary><code>${escaped(marks.id)}</code>${set}${title}<span class=a>${symbols}</span></summary>${details}</details>`
}

function candidatesOf({ marks, candidates }: Shown, models: readonly string[], names: Names): string[] {
  if (candidates.length === 0) return []
  const scored = models.flatMap((name, m) =>
    marks.scores[m] === undefined ? [] : [{ name, scores: marks.scores[m], place: names.place(name) }],
  )
  const width = Math.max(7, ...scored.map(({ name }) => name.length)) + 1
  const head = scored.map(({ name }) => name.padStart(width)).join('')
  const items = candidates.map((candidate, c) => {
    const scores = scored.map(({ scores: own }) => fixed(own[c]).padStart(width)).join('')
    const reward = marks.rewards?.[c]
    const label = reward === undefined ? (marks.positive[c] ? '✓ right' : '✗ wrong') : `reward ${fixed(reward)}`
    const kind = reward === undefined ? (marks.positive[c] ? 'r' : 'w') : 'k'
    // the style sheet sets the first line apart, so that it needs no element of its own
    return `<li class=${kind}>${label.padEnd(8)}${scores}\n${text(candidate)}`
  })
  return [
    `<h5>Candidates, with their scores under each model</h5><ol class=k><li class=h>${' '.repeat(8)}${escaped(head)}${items.join('')}</ol>`,
  ]
}

/** What each model answers; equal answers stand once. */
function answersOf({ answers }: Shown, models: readonly string[]): string[] {
  const given = models.flatMap((name, m) => {
    const answer = answers[m]
    return answer === undefined ? [] : [{ name, answer }]
  })
  if (given.length === 0) return []
  const items = given.map(({ name, answer }, n) => {
    const same = given.slice(0, n).find((each) => each.answer.text === answer.text)
    const reading = answer.given === undefined ? 'no answer found' : `answer ${escaped(start(answer.given))}`
    const head = `${answer.right ? '✓' : '✗'} ${escaped(name)}: ${reading}\n`
    return `<li class=${answer.right ? 'r' : 'w'}>${head}${same ? `<em>as ${escaped(same.name)}</em>` : text(answer.text)}`
  })
  return [`<h5>Greedy answers now</h5><ol class=k>${items.join('')}</ol>`]
}

/** Mean score of right less that of wrong candidates, under each model; empty where one kind is missing. */
function marginsOf({ marks: { positive, scores, rewards } }: Shown): string {
  return scores
    .map((own) => {
      if (own === undefined || rewards !== undefined) return ''
      const mean = (right: boolean) => {
        const of = own.filter((_, c) => positive[c] === right)
        return of.reduce((sum, score) => sum + score, 0) / of.length
      }
      const margin = mean(true) - mean(false)
      return Number.isFinite(margin) ? margin.toFixed(3) : ''
    })
    .join(' ')
}

function text(whole: string): string {
  if (whole.length <= LONGEST) return escaped(whole)
  const [head, tail] = [whole.slice(0, LONGEST * 0.7), whole.slice(whole.length - LONGEST * 0.3)]
  return `${escaped(head)}<em>… ${count(whole.length - head.length - tail.length)} characters left out …</em>${escaped(tail)}`
}

/** The beginning of a text, in one line. */
function start(whole: string): string {
  const line = whole
    .slice(0, 4 * SUMMARY)
    .replace(/\s+/g, ' ')
    .trim()
  return line.length <= SUMMARY
    ? line
    : `${Array.from(line)
        .slice(0, SUMMARY - 1)
        .join('')}…`
}
