import type { Draw } from './draw'

export const TASKS = ['story', 'choice', 'chain'] as const
/** Arithmetic word problems, multiple choice with distractors, chains of relations and what everybody knows. */
export type Task = (typeof TASKS)[number]

export const SHAPES = ['usual', 'longer', 'reworded', 'larger'] as const
/**
 * How a problem is drawn. `usual` is what models are trained on. Out of that distribution, one thing at a time: `longer` takes more steps,
 * `reworded` says it in sentences that no training problem has, `larger` has larger numbers (in chains: more facts that play no part).
 */
export type Shape = (typeof SHAPES)[number]

export interface Problem {
  readonly question: string
  /** `6 * 5 = 30 ; 32 + 30 = 62 #### 62` */
  readonly chain: string
  readonly answer: string
  /** Steps that it takes. */
  readonly level: number
  /** What has to be worked out, without the words that it is told in: no two problems share it. */
  readonly skeleton: string
}

/** Draws a problem of a shape; undefined where the draw came to nothing, as with a number out of range. */
export type Drawer = (draw: Draw, shape: Shape) => Problem | undefined

/** Every amount, from the first to the answer, lies between 1 and this: each number is one word. */
export const LARGEST = 60

/** Ways to say something: those that training problems have, and one that they never have, made of words that they do have. */
export interface Wordings {
  readonly known: readonly string[]
  readonly other: string
}

/** One of the wordings of the shape, its `{key}` places filled. */
export function say(draw: Draw, shape: Shape, { known, other }: Wordings, places: Readonly<Record<string, string | number>>): string {
  const template = shape === 'reworded' ? other : draw.pick(known)
  return template.replace(/\{(\w+)\}/g, (_, key: string) => {
    const word = places[key]
    if (word === undefined) throw new Error(`"${template}" has no ${key}`)
    return String(word)
  })
}

/** The words of wordings, without their places. */
export function wordsOf(wordings: readonly Wordings[]): string[] {
  return wordings
    .flatMap(({ known, other }) => [...known, other])
    .flatMap((text) => text.split(' ').filter((word) => !word.startsWith('{')))
}

export const NAMES = ['Tom', 'Mia', 'Ben', 'Lea', 'Sam', 'Ida', 'Max', 'Zoe', 'Leo', 'Eva', 'Jan', 'Amy']
