import { randomStreams } from '@plumbline/core/base'

const word = (uniform: () => number) => Math.floor(uniform() * 2 ** 32) >>> 0

const groups = randomStreams(0)

/** What a group is known by in the draws of dropout, as `rowKeys` of packages/transformer has it; Python makes the rows' keys of it. */
export function groupKey(id: string): [number, number] {
  const uniform = groups('lora-dropout-group', id)
  return [word(uniform), word(uniform)]
}

/** What the modules are known by in one optimizer step, as `Dropout` of packages/transformer has it. [2 · modules] */
export function moduleWords(seed: number, step: number, modules: readonly string[]): Uint32Array {
  const streams = randomStreams(seed)
  return Uint32Array.from(
    modules.flatMap((module) => {
      const uniform = streams('lora-dropout', module, step)
      return [word(uniform), word(uniform)]
    }),
  )
}
