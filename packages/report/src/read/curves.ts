import path from 'node:path'
import { readText, streamLines } from '@plumbline/core'
import { artifact, type FoundStage } from './stages'

/** A step's figures, by the names of `metrics.jsonl`; `step` counts from 1. */
export type Step = Readonly<Record<string, number>>

/** Steps that are drawn of a curve: more are averaged, so that the page's size does not follow the training's length. */
const MOST_POINTS = 400

/** What a training stage wrote of its steps. Of one at work, what its journal holds so far. */
export async function curveOf(stage: FoundStage): Promise<readonly Step[]> {
  const file = stage.manifest ? await artifact(stage, 'metrics.jsonl') : path.join(stage.folder, 'work', 'metrics.jsonl')
  if (file === undefined) return []
  if (stage.manifest === undefined) return averaged(await journalled(file))
  const steps: Step[] = []
  for await (const step of streamLines<Step>(file)) steps.push(step)
  return averaged(steps)
}

/** Looks at the validation chains, which stand apart. */
export async function validationOf({ folder }: FoundStage): Promise<readonly Step[]> {
  return journalled(path.join(folder, 'validation.jsonl'))
}

/** The whole lines of a file that another process may be writing. */
async function journalled(file: string): Promise<Step[]> {
  return ((await readText(file)) ?? '').split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Step]
    } catch {
      return []
    }
  })
}

/** Means over neighbouring steps, each figure over the steps that have it. */
export function averaged(steps: readonly Step[], most: number = MOST_POINTS): readonly Step[] {
  const width = Math.ceil(steps.length / most)
  if (width <= 1) return steps
  return Array.from({ length: Math.ceil(steps.length / width) }, (_, n) => {
    const sums = new Map<string, { sum: number; count: number }>()
    for (const step of steps.slice(n * width, (n + 1) * width))
      for (const [name, value] of Object.entries(step)) {
        const { sum, count } = sums.get(name) ?? { sum: 0, count: 0 }
        sums.set(name, { sum: sum + value, count: count + 1 })
      }
    return Object.fromEntries([...sums].map(([name, { sum, count }]) => [name, sum / count]))
  })
}
