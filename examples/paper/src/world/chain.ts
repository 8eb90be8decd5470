import type { Draw } from './draw'
import { NAMES, say, wordsOf, type Drawer, type Problem, type Shape, type Wordings } from './problem'

const THINGS = ['key', 'ring', 'coin', 'letter', 'pearl', 'note']
const HOLDERS = ['purse', 'box', 'case', 'basket', 'trunk', 'drawer', 'sack', 'jar', 'chest', 'tin']
const ROOMS = ['kitchen', 'garden', 'garage', 'attic', 'cellar', 'office', 'hall', 'shed']

/** What everybody knows and no question says: kinds of animals, and what they do and have. */
export const ANIMALS: Readonly<Record<string, string>> = {
  robin: 'bird',
  eagle: 'bird',
  parrot: 'bird',
  salmon: 'fish',
  trout: 'fish',
  carp: 'fish',
  ant: 'insect',
  bee: 'insect',
  beetle: 'insect',
  dog: 'mammal',
  horse: 'mammal',
  rabbit: 'mammal',
}
export const KNOWN: Readonly<Record<string, Readonly<Record<'move' | 'cover' | 'legs', string>>>> = {
  bird: { move: 'fly', cover: 'feathers', legs: 'two' },
  fish: { move: 'swim', cover: 'scales', legs: 'none' },
  insect: { move: 'crawl', cover: 'shell', legs: 'six' },
  mammal: { move: 'run', cover: 'fur', legs: 'four' },
}

const IN: Wordings = {
  known: ['The {x} is in the {y} .', 'In the {y} is the {x} .', 'The {y} holds the {x} .'],
  other: 'The {x} is the one in the {y} .',
}
const WHERE: Wordings = { known: ['Where is the {x} ?', 'Which room holds the {x} ?'], other: 'Which room is the {x} in ?' }
const LIKE: Wordings = {
  known: ['{x} has the same pet as {y} .', 'The pet of {x} is like that of {y} .', '{x} has what {y} has .'],
  other: 'The pet of {x} is the same as that of {y} .',
}
const PET: Wordings = { known: ['{x} has a {p} .', 'The pet of {x} is a {p} .'], other: 'The pet that {x} has is a {p} .' }
const ASKED = {
  move: { known: ['How does the pet of {x} move ?', 'What can the pet of {x} do ?'], other: 'How can the pet of {x} move ?' },
  cover: {
    known: ['What covers the pet of {x} ?', 'What is on the skin of the pet of {x} ?'],
    other: 'What covers the skin of the pet of {x} ?',
  },
  legs: {
    known: ['How many legs has the pet of {x} ?', 'On how many legs is the pet of {x} ?'],
    other: 'The pet of {x} has how many legs ?',
  },
} as const satisfies Record<string, Wordings>
const TALLER: Wordings = {
  known: ['{x} is taller than {y} .', '{y} is shorter than {x} .'],
  other: '{x} is the one that is taller than {y} .',
}
const END = {
  tallest: { known: ['Who is the tallest ?', 'Which one is the tallest ?'], other: 'Who is the one that is the tallest ?' },
  shortest: { known: ['Who is the shortest ?', 'Which one is the shortest ?'], other: 'Who is the one that is the shortest ?' },
} as const satisfies Record<string, Wordings>

export const CHAIN_WORDS = [
  ...wordsOf([IN, WHERE, LIKE, PET, TALLER, ...Object.values(ASKED), ...Object.values(END)]),
  ...[
    THINGS,
    HOLDERS,
    ROOMS,
    Object.keys(ANIMALS),
    Object.values(ANIMALS),
    Object.values(KNOWN).flatMap((kind) => Object.values(kind)),
  ].flat(),
  ...'in same as has is over'.split(' '),
]

/** Facts in any order, of which a chain of two to four (five or six where it is to be longer) leads to the answer. */
export const drawChain: Drawer = (draw, shape) => {
  const level = shape === 'longer' ? draw.whole(5, 6) : draw.whole(2, 4)
  const aside = shape === 'larger' ? draw.whole(3, 4) : draw.whole(1, 2)
  return draw.pick([drawPlace, drawPet, drawOrder])(draw, shape, level, aside)
}

type ByLevel = (draw: Draw, shape: Shape, level: number, aside: number) => Problem

/** A thing in a holder in a holder … in a room; other holders are elsewhere. */
const drawPlace: ByLevel = (draw, shape, level, aside) => {
  const things = draw.shuffle(THINGS)
  const rooms = draw.shuffle(ROOMS)
  const holders = draw.shuffle(HOLDERS)
  const path = [things[0] ?? '', ...holders.splice(0, level - 1), rooms[0] ?? '']
  const facts = pairsOf(path)
  // a thing in a holder that is on nobody's way, and a holder in another room
  for (let n = 0; n < aside; n++) {
    const holder = holders[Math.floor(n / 2)] ?? ''
    facts.push(n % 2 === 0 ? [holder, rooms[n + 1] ?? ''] : [things[n] ?? '', holder])
  }
  const sentences = draw.shuffle(facts).map(([x, y]) => say(draw, shape, IN, { x, y }))
  const steps = pairsOf(path).map(([x, y]) => `${x} in ${y}`)
  return problem([...sentences, say(draw, shape, WHERE, { x: path[0] ?? '' })], steps, path.at(-1) ?? '', level)
}

/** Whose pet is like whose, until somebody's is named; the rest is known. */
const drawPet: ByLevel = (draw, shape, level, aside) => {
  const names = draw.shuffle(NAMES)
  const path = names.splice(0, level)
  const animals = draw.shuffle(Object.keys(ANIMALS))
  const asked = draw.pick(['move', 'cover', 'legs'] as const)
  const owners: (readonly [string, string])[] = [[path.at(-1) ?? '', animals[0] ?? '']]
  for (let n = 1; n <= aside; n++) owners.push([names[n] ?? '', animals[n] ?? ''])
  const said = [
    ...pairsOf(path).map(([x, y]) => say(draw, shape, LIKE, { x, y })),
    ...owners.map(([x, p]) => say(draw, shape, PET, { x, p })),
  ]
  const [animal = '', kind = ''] = [animals[0], ANIMALS[animals[0] ?? '']]
  const answer = KNOWN[kind]?.[asked] ?? ''
  const steps = [
    ...pairsOf(path).map(([x, y]) => `${x} same as ${y}`),
    `${path.at(-1) ?? ''} has ${animal}`,
    `${animal} is ${kind}`,
    `${kind} has ${answer}`,
  ]
  return problem([...draw.shuffle(said), say(draw, shape, ASKED[asked], { x: path[0] ?? '' })], steps, answer, level)
}

/** Who is taller than whom, in pairs; everybody is between two others but for the first and the last. */
const drawOrder: ByLevel = (draw, shape, level, aside) => {
  const names = draw.shuffle(NAMES)
  const path = names.splice(0, level + 1)
  const asked = draw.pick(['tallest', 'shortest'] as const)
  const facts = pairsOf(path)
  // what follows from the others and leads no further
  for (let n = 0; n < aside && n + 2 < path.length; n++) facts.push([path[n] ?? '', path[n + 2] ?? ''])
  const sentences = draw.shuffle(facts).map(([x, y]) => say(draw, shape, TALLER, { x, y }))
  const answer = (asked === 'tallest' ? path[0] : path.at(-1)) ?? ''
  const steps = pairsOf(path).map(([x, y]) => `${x} over ${y}`)
  return problem([...sentences, say(draw, shape, END[asked], {})], asked === 'tallest' ? steps.reverse() : steps, answer, level)
}

function problem(sentences: readonly string[], steps: readonly string[], answer: string, level: number): Problem {
  const skeleton = steps.join(' ; ')
  return { question: sentences.join(' '), chain: `${skeleton} #### ${answer}`, answer, level, skeleton }
}

function pairsOf(path: readonly string[]): (readonly [string, string])[] {
  return path.slice(1).map((next, n) => [path[n] ?? '', next] as const)
}
