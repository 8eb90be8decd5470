import type { Draw } from './draw'
import { equation, isInRange, written, type Equation, type Operator } from './equation'
import { say, wordsOf, type Drawer, type Shape, type Wordings } from './problem'

const GOODS = ['hat', 'lamp', 'cup', 'ball', 'bag', 'chair', 'map', 'rope', 'bell', 'drum']
/** Options of a question, the right one among them. */
export const CHOICES = 4

const PRICE: Wordings = {
  known: ['A {x} costs {n} dollars .', 'The price of a {x} is {n} dollars .', 'One {x} is sold for {n} dollars .'],
  other: '{n} dollars is the price of a {x} .',
}

type Relation = 'more' | 'less' | 'times' | 'part'

const RELATION: Readonly<Record<Relation, Wordings>> = {
  more: {
    known: ['A {y} costs {n} dollars more than a {x} .', 'A {y} is {n} dollars above a {x} .'],
    other: 'The price of a {y} is {n} dollars more than a {x} .',
  },
  less: {
    known: ['A {y} costs {n} dollars less than a {x} .', 'A {y} is {n} dollars below a {x} .'],
    other: 'The price of a {y} is {n} dollars less than a {x} .',
  },
  times: {
    known: ['A {y} costs {n} times as much as a {x} .', 'A {y} is {n} times the price of a {x} .'],
    other: 'The price of a {y} is {n} times a {x} .',
  },
  part: {
    known: ['A {x} costs {n} times as much as a {y} .', 'For one {x} one gets {n} of a {y} .'],
    other: 'The price of a {x} is {n} times as much as a {y} .',
  },
}

const OPERATOR: Readonly<Record<Relation, Operator>> = { more: '+', less: '-', times: '*', part: '/' }
/** What somebody works out who takes a sentence the wrong way round. */
const MISTAKEN: Readonly<Record<Relation, Operator>> = { more: '-', less: '+', times: '/', part: '*' }

const QUESTION: Wordings = { known: ['How much is a {x} ?', 'What does a {x} cost ?'], other: 'What is the price of a {x} ?' }

export const CHOICE_WORDS = [...wordsOf([PRICE, ...Object.values(RELATION), QUESTION]), ...GOODS, 'Options', ':', ',']

/** A price to be worked out over two to four relations (five or six where it is to be longer), and four options, of which three are the results of mistakes. */
export const drawChoice: Drawer = (draw, shape) => {
  const level = shape === 'longer' ? draw.whole(5, 6) : draw.whole(2, 4)
  const goods = draw.shuffle(GOODS)
  const [first = '', ...others] = goods.slice(0, level + 1)
  const start = shape === 'larger' ? draw.whole(21, 40) : draw.whole(2, 20)
  const relations = Array.from({ length: level }, () => draw.pick(['more', 'more', 'less', 'less', 'times', 'part'] as const))
  const numbers = relations.map((relation) => numberOf(draw, relation, shape))
  const equations = workedOut(start, relations, numbers)
  const answer = equations.at(-1)?.result
  if (answer === undefined || !equations.every(({ result }) => isInRange(result))) return undefined
  // Each mistake once: the last step, or one before it, taken the wrong way round, or left out.
  const mistakes = relations.flatMap((_, wrong) => [
    workedOut(start, relations, numbers, wrong).at(-1)?.result ?? 0,
    workedOut(start, relations.toSpliced(wrong, 1), numbers.toSpliced(wrong, 1)).at(-1)?.result ?? start,
  ])
  const distractors = draw.shuffle([...new Set(mistakes)].filter((value) => isInRange(value) && value !== answer)).slice(0, CHOICES - 1)
  if (distractors.length < CHOICES - 1) return undefined
  const options = draw.shuffle([answer, ...distractors])

  const facts = relations.map((relation, r) =>
    say(draw, shape, RELATION[relation], { x: goods[r] ?? '', y: others[r] ?? '', n: numbers[r] ?? 0 }),
  )
  const sentences = [say(draw, shape, PRICE, { x: first, n: start }), ...facts, say(draw, shape, QUESTION, { x: others.at(-1) ?? '' })]
  const question = `${sentences.join(' ')} Options : ${options.join(' , ')}`
  const skeleton = equations.map(written).join(' ; ')
  return { question, chain: `${skeleton} #### ${answer}`, answer: String(answer), level, skeleton }
}

function numberOf(draw: Draw, relation: Relation, shape: Shape): number {
  if (relation === 'times' || relation === 'part') return draw.whole(2, 4)
  return shape === 'larger' ? draw.whole(10, 19) : draw.whole(2, 9)
}

/** @param wrong the step that is taken the wrong way round */
function workedOut(start: number, relations: readonly Relation[], numbers: readonly number[], wrong = -1): Equation[] {
  let amount = start
  return relations.map((relation, r) => {
    const done = equation(amount, (r === wrong ? MISTAKEN : OPERATOR)[relation], numbers[r] ?? 1)
    amount = done.result
    return done
  })
}
