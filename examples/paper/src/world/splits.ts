import { drawChain } from './chain'
import { drawChoice } from './choice'
import { Draw } from './draw'
import { SHAPES, type Drawer, type Problem, type Shape, type Task } from './problem'
import { drawStory } from './story'

/**
 * `train` has chains. `fresh` has answers only, for the design that aligns on questions which stage 1 did not see. The others are
 * tests: `test` of the usual shape, the rest out of distribution.
 */
export const SPLITS = ['train', 'fresh', 'test', 'longer', 'reworded', 'larger'] as const
export type Split = (typeof SPLITS)[number]
export type Sizes = Readonly<Record<Split, number>>

export const OTHER_SHAPES = ['longer', 'reworded', 'larger'] as const satisfies readonly Shape[]

const DRAWERS: Readonly<Record<Task, Drawer>> = { story: drawStory, choice: drawChoice, chain: drawChain }

/** All splits of a task. No skeleton occurs twice, in a split or across splits. */
export function drawSplits(task: Task, seed: number, sizes: Sizes): Record<Split, readonly Problem[]> {
  const seen = new Set<string>()
  const drawn = new Map<Shape, Problem[]>()
  for (const shape of SHAPES) {
    const count = shape === 'usual' ? sizes.train + sizes.fresh + sizes.test : sizes[shape]
    drawn.set(shape, distinct(new Draw(seed, task, shape), DRAWERS[task], shape, count, seen))
  }
  const usual = drawn.get('usual') ?? []
  const take = (size: number) => usual.splice(0, size)
  return {
    train: take(sizes.train),
    fresh: take(sizes.fresh),
    test: take(sizes.test),
    longer: drawn.get('longer') ?? [],
    reworded: drawn.get('reworded') ?? [],
    larger: drawn.get('larger') ?? [],
  }
}

/** Draws that may come to nothing, for each problem that is asked for. */
const PATIENCE = 2000

function distinct(draw: Draw, drawer: Drawer, shape: Shape, count: number, seen: Set<string>): Problem[] {
  const problems: Problem[] = []
  for (let tries = 0; problems.length < count; tries++) {
    if (tries > PATIENCE * count) throw new Error(`there are not ${count} different problems of shape "${shape}"`)
    const problem = drawer(draw, shape)
    if (problem === undefined || seen.has(problem.skeleton)) continue
    seen.add(problem.skeleton)
    problems.push(problem)
  }
  // Short ones run out, so later draws are longer: shuffled, or splits would differ in difficulty.
  return draw.shuffle(problems)
}
