import { PlumbError, type GenerationPrompt } from '@plumbline/core/base'
import type { ModelLimits } from './completion'

/**
 * @throws PlumbError PLUMB_EMPTY_PROMPT, PLUMB_CONTEXT_EXCEEDED, PLUMB_TOKEN_OUT_OF_RANGE for a prompt that the model cannot continue.
 */
export function requirePrompts(
  prompts: readonly Pick<GenerationPrompt, 'id' | 'prompt'>[],
  { contextLength, vocabularySize }: Pick<ModelLimits, 'contextLength' | 'vocabularySize'>,
): void {
  for (const { id, prompt } of prompts) {
    const where = `prompt ${id}`
    if (prompt.length === 0) throw new PlumbError('PLUMB_EMPTY_PROMPT', 'The prompt has no tokens; expected at least one.', where)
    if (prompt.length >= contextLength) {
      const message = `The prompt has ${prompt.length} tokens; the model's context holds ${contextLength}, so nothing can follow.`
      throw new PlumbError('PLUMB_CONTEXT_EXCEEDED', message, where)
    }
    const stray = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize)
    if (stray !== undefined)
      throw new PlumbError('PLUMB_TOKEN_OUT_OF_RANGE', `Token ${stray} is outside the vocabulary of ${vocabularySize}.`, where)
  }
}
