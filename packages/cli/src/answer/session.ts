import type { Config as OclifConfig } from '@oclif/core'
import { PlumbError, withAskable, type AskedModel, type AskOptions, type GivenAnswer } from '@plumbline/core'
import { loadAllPlugins } from '../run/plugins'

export interface AskingOptions {
  readonly configFile?: string
  readonly overrides: readonly string[]
  /** A model of the run, or a folder; every model of the run when absent. */
  readonly model?: string
  readonly oclif: OclifConfig
  /** Told what is not as one might think. */
  say(message: string): void
}

/** A model's answer. */
export interface ModelAnswer extends GivenAnswer {
  readonly model: string
}

/** Who hears how far it is, and of how many models. */
export interface Told {
  asking(name: string, n: number, models: number): void
  answered(answer: ModelAnswer, models: number): void
}

/**
 * Asks every model the same question, one after the other.
 * @throws PlumbError those of `withAskable`.
 */
export async function answerAll(question: string, asked: AskOptions, options: AskingOptions, told: Told): Promise<readonly ModelAnswer[]> {
  return asking(options, async ({ names, missing, open }) => {
    if (missing.length > 0) options.say(`Not made yet, and not asked: ${missing.join(', ')}.`)
    const answers: ModelAnswer[] = []
    for (const [n, name] of names.entries()) {
      told.asking(name, n, names.length)
      const answer = { model: name, ...(await open(name, (model) => model.ask(question, asked))) }
      answers.push(answer)
      told.answered(answer, names.length)
    }
    return answers
  })
}

/**
 * Lends one model for a conversation.
 * @throws PlumbError PLUMB_VARIANT_NEEDED where several could be meant, PLUMB_ANSWER_NO_CHAT, those of `withAskable`.
 */
export async function withPartner<T>(options: AskingOptions, use: (model: AskedModel) => Promise<T>): Promise<T> {
  return asking(options, async ({ names, open }) => {
    const [only, ...others] = names
    if (only === undefined || others.length > 0) {
      throw new PlumbError('PLUMB_VARIANT_NEEDED', `A conversation is with one model; --model says with which: ${names.join(', ')}.`)
    }
    return open(only, (model) => {
      if (model.chatRefusal !== undefined) throw new PlumbError('PLUMB_ANSWER_NO_CHAT', model.chatRefusal)
      return use(model)
    })
  })
}

function asking<T>({ configFile, overrides, model, oclif, say }: AskingOptions, use: Parameters<typeof withAskable<T>>[1]): Promise<T> {
  return withAskable(
    {
      path: configFile,
      overrides,
      ...(model === undefined ? {} : { only: [model] }),
      registry: async (listed, folder) => {
        const { registry, warnings } = await loadAllPlugins(listed, folder, oclif)
        warnings.forEach(say)
        return registry
      },
      onEvent: (event) => {
        if (event.type === 'notice' && event.level === 'warning') say(event.message)
      },
    },
    use,
  )
}
