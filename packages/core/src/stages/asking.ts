import type { ResolvedConfig } from '../config/resolve'
import { streamRecords } from '../data/read'
import { isPlumbError, PlumbError } from '../errors'
import type { RunEvent } from '../seams/run-events'
import { RunStore } from '../run/store'
import type { Generation, Policy } from '../seams/policy'
import type { GroupRecord } from '../seams/records'
import type { ChatMessage } from '../seams/tokenizer'
import { StageContext } from './context'
import { AnswerReader, askedAs } from './reading'
import { withModels, type ModelsOptions } from './run-models'

/** How an answer is chosen. */
export interface AskOptions {
  /** 0, the default, is greedy; above it tokens are drawn as `sample` says (`topK`, `topP`). */
  readonly temperature?: number
  /** Of the draws; the run's when absent. */
  readonly seed?: number
  /** `evaluate.maxNewTokens` when absent. */
  readonly maxNewTokens?: number
  readonly signal?: AbortSignal
  /** Told what there is of the answer's text, again and again while it grows, by a backend that hands out tokens. */
  readonly onText?: (text: string) => void
}

/** An answer to a typed question. */
export interface GivenAnswer {
  /** Of a model that thinks, what stands behind its reasoning. */
  readonly text: string
  readonly reasoning?: string
  /** `length`: it was cut off. */
  readonly finish: Generation['finish']
  readonly promptTokens: number
  readonly completionTokens: number
}

/** A model that is open and answers. */
export interface AskedModel {
  readonly name: string
  /** Why it holds no conversation, as a sentence; absent where it does. */
  readonly chatRefusal?: string
  /** Answers a question in the form in which the run asks those of its data: its template, conversations, lengths and stop strings. */
  ask(question: string, options?: AskOptions): Promise<GivenAnswer>
  /** Goes on with a conversation that ends with a user's message. */
  chat(messages: readonly ChatMessage[], options?: AskOptions): Promise<GivenAnswer>
}

export interface Askable {
  readonly names: readonly string[]
  /** Models of the run that are not made yet. */
  readonly missing: readonly string[]
  /** Opens a model, lends it, and disposes it whatever happens. */
  open<T>(name: string, use: (model: AskedModel) => Promise<T>): Promise<T>
}

/**
 * Lends the models of a run, or those in folders, to be asked whatever one likes. Nothing is written.
 * @throws PlumbError those of `withModels`; asking: PLUMB_PROMPT_TOO_LONG, PLUMB_PROMPT_NO_CHAT_TEMPLATE, and what the backend says.
 */
export async function withAskable<T>(
  options: ModelsOptions & { readonly onEvent?: (event: RunEvent) => void },
  use: (askable: Askable) => Promise<T>,
): Promise<T> {
  const { onEvent = () => undefined } = options
  return withModels(options, onEvent, async ({ resolved, backend, models, missing, isBare }) => {
    const context = new StageContext(resolved, backend, RunStore.look(resolved.config.run), undefined, onEvent, true)
    const form = isBare ? undefined : await formOf(resolved)
    return use({
      names: models.map(({ name }) => name),
      missing,
      open: async (name, lend) => {
        const chosen = models.find((each) => each.name === name)
        if (chosen === undefined) throw new Error(`no model "${name}" was asked for`)
        return context.withPolicy(chosen.model, async (policy) => {
          const { renderChat } = policy.tokenizer
          // without a configuration there are no data either: a model that has a chat template is meant to be asked through it
          const own = form ?? (renderChat === undefined ? 'plain' : 'conversation')
          return lend({
            name,
            ...refusalOf(name, renderChat !== undefined, resolved),
            ask: (question, asked = {}) => answer(context, policy, recordOf(question, own), asked),
            chat: (messages, asked = {}) =>
              answer(context, policy, { id: ID, prompt: messages.at(-1)?.content ?? '', messages, candidates: [] }, asked),
          })
        })
      },
    })
  })
}

function refusalOf(name: string, hasTemplate: boolean, { config }: ResolvedConfig): Pick<AskedModel, 'chatRefusal'> {
  if (!hasTemplate) return { chatRefusal: `${name} has no chat template, so it holds no conversation; it answers single questions.` }
  if (config.prompt.chat !== false) return {}
  return {
    chatRefusal: 'prompt.chat is false, so nothing goes through the chat template, and a conversation must; single questions are answered.',
  }
}

/** The id of a typed question; with the seed it keys the draws. */
const ID = 'question'

type Form = 'plain' | 'literal' | 'conversation'

/** How the run's own questions are given: the first test question says it. */
async function formOf({ data: { test } }: ResolvedConfig): Promise<Form> {
  const [source] = test
  if (source === undefined) return 'plain'
  const { reader, path, columns } = source
  try {
    for await (const { messages, literal } of streamRecords(reader, { path, columns, limit: 1 })) {
      return messages !== undefined ? 'conversation' : literal ? 'literal' : 'plain'
    }
  } catch (error) {
    // a model in a folder can be asked where the data are not at hand
    if (!isPlumbError(error) && (error as NodeJS.ErrnoException).code === undefined) throw error
  }
  return 'plain'
}

function recordOf(question: string, form: Form): GroupRecord {
  const record = { id: ID, prompt: question, candidates: [] }
  if (form === 'conversation') return { ...record, messages: [{ role: 'user', content: question }] }
  return form === 'literal' ? { ...record, literal: true } : record
}

async function answer(
  context: StageContext,
  policy: Policy,
  record: GroupRecord,
  { temperature = 0, seed = context.config.seed, maxNewTokens, signal, onText }: AskOptions,
): Promise<GivenAnswer> {
  const { evaluate, sample, prompt: asPrompt } = context.config
  const encoder = context.encoder(policy)
  const prompt = encoder.question(record)
  if (prompt === undefined) {
    throw new PlumbError('PLUMB_PROMPT_TOO_LONG', `The question has more than the ${encoder.prompts.limit} tokens that a prompt may have.`)
  }
  const { topK, topP } = sample
  const sampling = {
    seed,
    temperature,
    ...(temperature > 0 ? { topK, topP } : {}),
    maxNewTokens: maxNewTokens ?? evaluate.maxNewTokens,
    ...encoder.ending([record], evaluate.stop),
  }
  const reader = new AnswerReader(asPrompt, record, askedAs(encoder, record))
  const onTokens =
    onText &&
    (({ tokens }: { readonly tokens: readonly number[] }) =>
      onText(reader.sampled({ text: shownOf(policy, tokens, sampling.stop), finish: 'length' }).text))
  for await (const { text, finish, tokens } of policy.generate([{ id: ID, prompt, candidates: [0] }], sampling, { signal, onTokens })) {
    const { text: shown, reasoning } = reader.sampled({ text, finish })
    return {
      text: shown,
      ...(reasoning === undefined ? {} : { reasoning }),
      finish,
      promptTokens: prompt.length,
      completionTokens: tokens.length,
    }
  }
  throw new PlumbError('PLUMB_SAMPLER_INCOMPLETE', 'The model gave no answer and ended.')
}

/** The text of unfinished tokens, less what may still turn out otherwise: a character of which bytes are to come, the beginning of a stop string. */
function shownOf({ tokenizer }: Policy, tokens: readonly number[], stop: readonly string[]): string {
  const text = tokenizer.decode(tokens).replace(/\ufffd+$/, '')
  const longest = Math.max(0, ...stop.map(({ length }) => length - 1))
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length)
    if (stop.some((each) => each.startsWith(end))) return text.slice(0, -length)
  }
  return text
}
