import { drawProblem, type Problem } from './problem'
import { Random } from './random'

/** Sizes of the splits. `questions` have answers and no chains: alignment's fresh questions. */
export const SIZES = { train: 12_000, questions: 3000, validation: 500, test: 1000 } as const
export type Split = keyof typeof SIZES
export type Sizes = Readonly<Record<Split, number>>

/** All splits of a seed. No numeric skeleton occurs twice, in a split or between two. */
export function drawSplits(seed: number, sizes: Sizes = SIZES): Record<Split, Problem[]> {
  const random = new Random(seed)
  const bySkeleton = new Map<string, Problem>()
  const total = Object.values(sizes).reduce((sum, size) => sum + size, 0)
  while (bySkeleton.size < total) {
    const problem = drawProblem(random)
    if (!bySkeleton.has(problem.skeleton)) bySkeleton.set(problem.skeleton, problem)
  }
  // Short skeletons run out, so later draws are longer: shuffle, or the splits would differ in difficulty.
  const problems = random.shuffle([...bySkeleton.values()])
  const splits = {} as Record<Split, Problem[]>
  for (const split of Object.keys(sizes) as Split[]) splits[split] = problems.splice(0, sizes[split])
  return splits
}
