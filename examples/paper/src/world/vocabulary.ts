import { CHAIN_WORDS } from './chain'
import { CHOICE_WORDS } from './choice'
import { LARGEST, NAMES } from './problem'
import { STORY_WORDS } from './story'

/** Every word of every task, each number being one word: one tokenizer for all models. */
export function vocabulary(): string[] {
  const numbers = Array.from({ length: LARGEST + 1 }, (_, n) => String(n))
  return [...new Set([...numbers, '+', '-', '*', '/', '=', ';', '####', ...NAMES, ...STORY_WORDS, ...CHOICE_WORDS, ...CHAIN_WORDS])]
}
