import type { ThinkingTags } from '@plumbline/core/base'

/** DeepSeek R1, Qwen 3, SmolLM3 and most others. */
export const THINK: ThinkingTags = ['<think>', '</think>']

/** Tags of published models that think: those above, Magistral's, Seed-OSS's, Command A Reasoning's. */
const KNOWN: readonly ThinkingTags[] = [
  THINK,
  ['[THINK]', '[/THINK]'],
  ['<seed:think>', '</seed:think>'],
  ['<|START_THINKING|>', '<|END_THINKING|>'],
]

/**
 * The tags that the chat template writes or looks for (the closing one is enough: R1's template only cuts at it), else those that are
 * both tokens of their own. Undefined where there are none.
 */
export function thinkingTagsOf(template: string | undefined, added: ReadonlySet<string>): ThinkingTags | undefined {
  return KNOWN.find(([, close]) => template?.includes(close)) ?? KNOWN.find((tags) => tags.every((tag) => added.has(tag)))
}
