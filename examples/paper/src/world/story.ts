import type { Draw } from './draw'
import { equation, isInRange, written, type Equation } from './equation'
import { LARGEST, NAMES, say, wordsOf, type Drawer, type Problem, type Shape, type Wordings } from './problem'

// Words and punctuation stand apart, so that a whole-word tokenizer gives the text back as it was.
const ITEMS = ['apples', 'books', 'coins', 'cards', 'shells', 'stamps', 'pens', 'stones']

const START: Wordings = {
  known: ['{A} has {n} {i} .', 'There are {n} {i} in the box of {A} .', '{A} owns {n} {i} .'],
  other: 'The box of {A} has {n} {i} .',
}

type Kind = 'gain' | 'loss' | 'times' | 'bags' | 'together' | 'price' | 'share'

const STEP: Readonly<Record<Kind, Wordings>> = {
  gain: {
    known: ['{A} buys {n} more {i} .', 'Then {A} finds {n} {i} .', '{B} gives {n} {i} to {A} .'],
    other: 'Then {A} gets {n} more {i} .',
  },
  loss: {
    known: ['{A} loses {n} {i} .', 'Then {A} gives {n} {i} to {B} .', '{B} gets {n} {i} from {A} .'],
    other: '{n} {i} of {A} go to {B} .',
  },
  times: {
    known: ['{B} has {n} times as many as {A} .', '{B} owns {n} times that number .', 'Now {A} has {n} times as many .'],
    other: 'Then {A} owns {n} times as many .',
  },
  bags: {
    known: ['{A} gets {m} bags with {n} {i} each .', '{A} opens {m} bags , each holds {n} .', '{m} bags of {n} {i} go to {A} .'],
    other: '{A} buys {m} bags , {n} {i} in each .',
  },
  together: {
    known: [
      '{B} has {n} more than {A} , together they count all .',
      '{A} joins {B} , who has {n} more .',
      '{B} , who has {n} more , joins {A} .',
    ],
    other: '{A} joins {B} , together they count all , {B} has {n} more .',
  },
  price: {
    known: ['They are sold for {n} dollars each .', 'One costs {n} dollars .', 'The price of one is {n} dollars .'],
    other: '{n} dollars is the price of each .',
  },
  share: {
    known: ['{A} shares them equally among {n} friends .', 'They are split into {n} equal parts .', '{n} friends get equal parts .'],
    other: '{n} friends get them in equal parts .',
  },
}

/** What a story asks, by its last step. */
const QUESTION: Readonly<Record<'price' | 'share' | 'amount', Wordings>> = {
  price: { known: ['How many dollars are paid ?', 'What is the price of all {i} ?'], other: 'How many dollars is the price of all ?' },
  share: { known: ['How many does each friend get ?', 'How many are in one part ?'], other: 'What number does each get ?' },
  amount: { known: ['How many {i} are there now ?', 'What is the number of {i} now ?'], other: 'How many are there now ?' },
}

/** A number that has nothing to do with the question. */
const ASIDE: Wordings = {
  known: ['{D} is {n} years old .', 'The house of {D} has {n} windows .'],
  other: '{n} windows has the house of {D} .',
}
const DISTRACTED = 0.2

/** Kinds that may come anywhere, and kinds that end a story because they change what is counted. */
const MIDDLE: readonly Kind[] = ['gain', 'loss', 'times', 'bags', 'together']
const LAST: readonly Kind[] = ['price', 'share']
const isDouble = (kind: Kind) => kind === 'bags' || kind === 'together'

export const STORY_WORDS = [...wordsOf([START, ...Object.values(STEP), ...Object.values(QUESTION), ASIDE]), ...ITEMS]

interface Step {
  readonly kind: Kind
  readonly numbers: { readonly n: number; readonly m: number }
  readonly equations: readonly Equation[]
}

/** An arithmetic word problem of two to four equations; of five or six where it is to be longer. */
export const drawStory: Drawer = (draw, shape) => {
  const start = shape === 'larger' ? draw.whole(21, 40) : draw.whole(2, 20)
  const level = shape === 'longer' ? draw.whole(5, 6) : draw.whole(2, 4)
  const steps: Step[] = []
  let amount = start
  for (let left = level; left > 0;) {
    const kinds = left === 1 ? [...MIDDLE, ...LAST] : MIDDLE
    const step = stepOf(draw, draw.pick(kinds.filter((kind) => left > 1 || !isDouble(kind))), amount, shape)
    if (!step.equations.every(({ result }) => isInRange(result))) return undefined
    steps.push(step)
    amount = step.equations.at(-1)?.result ?? amount
    left -= step.equations.length
  }
  const equations = steps.flatMap((step) => step.equations).map(written)
  const skeleton = equations.join(' ; ')
  return {
    question: told(draw, shape, start, steps),
    chain: `${skeleton} #### ${amount}`,
    answer: String(amount),
    level,
    skeleton,
  } satisfies Problem
}

function stepOf(draw: Draw, kind: Kind, amount: number, shape: Shape): Step {
  const addend = shape === 'larger' ? draw.whole(10, 19) : draw.whole(2, 9)
  const factor = draw.whole(2, 4)
  const bags = draw.whole(2, 6)
  const one = (operator: '+' | '-' | '*' | '/', n: number): Step => ({
    kind,
    numbers: { n, m: 0 },
    equations: [equation(amount, operator, n)],
  })
  switch (kind) {
    case 'gain':
      return one('+', addend)
    case 'loss':
      return one('-', addend)
    case 'times':
    case 'price':
      return one('*', factor)
    case 'share':
      return one('/', factor)
    case 'bags': {
      const filled = equation(bags, '*', shape === 'larger' ? draw.whole(6, 12) : addend)
      return { kind, numbers: { n: filled.right, m: bags }, equations: [filled, equation(amount, '+', filled.result)] }
    }
    case 'together': {
      const other = equation(amount, '+', addend)
      return { kind, numbers: { n: addend, m: 0 }, equations: [other, equation(amount, '+', other.result)] }
    }
  }
}

/** The story in words. Who has the amount changes where somebody else has so many times as many. */
function told(draw: Draw, shape: Shape, start: number, steps: readonly Step[]): string {
  const names = draw.shuffle(NAMES)
  const name = () => names.pop() ?? ''
  const i = draw.pick(ITEMS)
  let A = name()
  const sentences = [say(draw, shape, START, { A, i, n: start })]
  for (const { kind, numbers } of steps) {
    const B = name()
    const sentence = say(draw, shape, STEP[kind], { A, B, i, ...numbers })
    sentences.push(sentence)
    if (kind === 'times' && sentence.startsWith(B)) A = B
  }
  if (draw.unit() < DISTRACTED) {
    sentences.splice(draw.whole(1, sentences.length), 0, say(draw, shape, ASIDE, { D: name(), n: draw.whole(2, LARGEST) }))
  }
  const last = steps.at(-1)?.kind
  sentences.push(say(draw, shape, QUESTION[last === 'price' || last === 'share' ? last : 'amount'], { A, i }))
  return sentences.join(' ')
}
