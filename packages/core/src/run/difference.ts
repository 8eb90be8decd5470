import { canonicalJson } from './hash'

const MOST = 3

/** How places of `determinedBy` that hold the hash of a content are called. */
const CONTENTS: Readonly<Record<string, string>> = {
  model: 'the model it starts from',
  reference: 'the stage-1 model',
  train: 'data.train',
  questions: 'data.questions',
  test: 'data.test',
  samples: 'the samples',
  labels: 'the labelled candidates',
  candidates: 'the test candidates',
}

/** What is another in `after` than in `before`, as clauses to be read after a colon: the first few. */
export function differences(before: unknown, after: unknown): string {
  const [were, are] = [leaves(before), leaves(after)]
  const changed = [...new Set([...are.keys(), ...were.keys()])].filter((place) => were.get(place) !== are.get(place))
  const clauses = [...new Set(changed.map((place) => clause(place, were.get(place), are.get(place))))]
  const shown = clauses.slice(0, MOST)
  const hidden = clauses.length - shown.length
  return [...shown, ...(hidden > 0 ? [`and ${hidden} more`] : [])].join('; ')
}

const PLUGIN = /^code\.(.+)$/

function clause(place: string, was: string | undefined, is: string | undefined): string {
  const plugin = PLUGIN.exec(place)?.[1]
  if (plugin !== undefined) {
    const title = plugin === '@plumbline/core' ? 'Plumbline' : `plugin ${plugin}`
    if (was === undefined) return `${title} has a hand in it`
    if (is === undefined) return `${title} has no hand in it any more`
    return `${was}${is}`.includes('sha256:') ? `the code of ${title} changed` : `${title} was ${short(was)}, is ${short(is)}`
  }
  const content = CONTENTS[place]
  if (content !== undefined)
    return was === undefined ? `${content} is read` : is === undefined ? `${content} is not read any more` : `${content} changed`
  return `${place} was ${short(was)}, is ${short(is)}`
}

function short(value: string | undefined): string {
  if (value === undefined) return 'not set'
  const text = /^"[^"\\]*"$/.test(value) ? value.slice(1, -1) : value
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** Every place with a value of its own, e.g. `sft.learningRate`; lists of plain values are one. */
function leaves(value: unknown, place = '', found = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null || (Array.isArray(value) && value.every((item) => typeof item !== 'object'))) {
    if (value !== undefined) found.set(place, canonicalJson(value))
    return found
  }
  for (const [key, inner] of Object.entries(value)) {
    // A plugin's name may hold dots; it is the last part of its place.
    leaves(inner, place === '' ? key : `${place}.${key}`, found)
  }
  return found
}
