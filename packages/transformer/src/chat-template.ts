import { PlumbError, type ChatMessage } from '@plumbline/core/base'
import { Template } from './huggingface'
import type { SpecialTokens } from './special-tokens'

export interface RenderChatOptions {
  /** End where the assistant's answer starts. Default true. */
  readonly addGenerationPrompt?: boolean
  readonly specials?: SpecialTokens
  /** Names the template's source in errors. */
  readonly where?: string
}

/**
 * Messages through a model's chat template (Jinja, as transformers renders it). The text holds the template's special tokens.
 * @throws PlumbError PLUMB_CHAT_TEMPLATE when the template cannot be parsed or refuses the messages.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true, specials = {}, where }: RenderChatOptions = {},
): string {
  try {
    return new Template(template).render({
      messages,
      add_generation_prompt: addGenerationPrompt,
      bos_token: specials.bos?.text ?? '',
      eos_token: specials.eos?.text ?? '',
      pad_token: specials.pad?.text ?? '',
      unk_token: specials.unk?.text ?? '',
    })
  } catch (cause) {
    throw new PlumbError('PLUMB_CHAT_TEMPLATE', `The chat template failed: ${(cause as Error).message}`, where, { cause })
  }
}
