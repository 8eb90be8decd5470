import type { Config, Lengths, PromptConfig } from '../config/schema'

/**
 * What of the configuration decides how prompts, and the answers of the data behind them, become tokens. What stands at its default is
 * left out, so that a key that is not used changes no artifact's name; how answers are read (`prompt.thinking`) is none of it.
 */
export function promptIdentity({ prompt, lengths }: Pick<Config, 'prompt' | 'lengths'>, what: 'prompts' | 'chains'): object {
  const { template, chat, date, system, chatTemplateKwargs } = prompt
  const limits = limitsOf(lengths, what)
  return {
    prompt: {
      template,
      chat,
      date,
      ...(system === undefined ? {} : { system }),
      ...(Object.keys(chatTemplateKwargs).length > 0 ? { chatTemplateKwargs } : {}),
    },
    ...(limits === undefined ? {} : { lengths: limits }),
  }
}

function limitsOf({ maxPromptTokens, maxCompletionTokens, onTooLong }: Lengths, what: 'prompts' | 'chains'): object | undefined {
  const limits = {
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
    ...(maxCompletionTokens === undefined || what === 'prompts' ? {} : { maxCompletionTokens }),
  }
  return onTooLong === 'error' && Object.keys(limits).length === 0 ? undefined : { ...limits, onTooLong }
}

/** What decides where the answer of a completion is read; nothing where that is left to the tokenizer. */
export function readingIdentity({ thinking }: PromptConfig): object {
  return thinking === 'auto' ? {} : { thinking }
}
