import type { Random } from './random'
import { drawStep, equationsOf, LARGEST, LAST, MIDDLE, write, type Step, type StepKind } from './steps'
import { DISTRACTOR, fill, ITEMS, NAMES, QUESTION, START, STEP } from './wordings'

export interface Problem {
  readonly question: string
  /** `6 * 5 = 30 ; 32 + 30 = 60 #### 60` */
  readonly chain: string
  readonly answer: number
  /** Its operations and numbers in their order: what no two problems share. */
  readonly skeleton: string
}

/** How often a story has a sentence with a number that plays no part. */
const DISTRACTED = 0.2

/** One word problem of two to four equations. */
export function drawProblem(random: Random): Problem {
  for (;;) {
    const start = random.whole(2, 20)
    const steps = drawSteps(random, start, random.whole(2, 4))
    if (!steps) continue
    const equations = steps.flatMap((step) => step.equations)
    const skeleton = equations.map(write).join(' ; ')
    const answer = equations[equations.length - 1]!.result
    return { question: tell(random, start, steps), chain: `${skeleton} #### ${answer}`, answer, skeleton }
  }
}

function drawSteps(random: Random, start: number, equations: number): readonly Step[] | undefined {
  const steps: Step[] = []
  let amount = start
  for (let left = equations; left > 0;) {
    const kinds: readonly StepKind[] = left === 1 ? [...MIDDLE, ...LAST] : MIDDLE
    const step = drawStep(random, random.pick(kinds.filter((kind) => equationsOf(kind) <= left)), amount)
    if (!step) return undefined
    steps.push(step)
    amount = step.equations[step.equations.length - 1]!.result
    left -= step.equations.length
  }
  return steps
}

/** The story in words. Who has the amount changes with "B has m times as many as A". */
function tell(random: Random, start: number, steps: readonly Step[]): string {
  const names = random.shuffle(NAMES)
  const i = random.pick(ITEMS)
  let A = names.pop()
  const sentences = [fill(random.pick(START), { A: A!, i, n: start })]
  for (const { kind, numbers } of steps) {
    const B = names.pop()
    sentences.push(fill(random.pick(STEP[kind]), { A: A!, B: B!, i, n: numbers[0]!, m: numbers[1]! }))
    if (kind === 'times') A = B
  }
  if (random.unit() < DISTRACTED) {
    const distractor = fill(random.pick(DISTRACTOR), { D: names.pop()!, n: random.whole(2, LARGEST) })
    sentences.splice(random.whole(1, sentences.length), 0, distractor)
  }
  const last = steps[steps.length - 1]!.kind
  sentences.push(fill(random.pick(QUESTION[last === 'price' || last === 'share' ? last : 'amount']), { A: A!, i }))
  return sentences.join(' ')
}
