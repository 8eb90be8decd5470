import type { Policy, SampleRequest, Sampling } from '@plumbline/core'
import { PlumbError } from '@plumbline/core/base'
import type { Client } from './client'
import { checkTokens, CompletionReader } from './completions'
import { objectOf, PROTOCOLS } from './protocol'
import type { RequestOptions } from './options'

/** Prompts, and tokens of each, that a server's log-probabilities are compared on. */
const PROMPTS = 4
const TOKENS = 16
/** Names of models that an error shows. */
const SHOWN = 5

export interface Served {
  readonly name: string
  /** Longest prompt + completion, where the server says it. */
  readonly contextLength?: number
}

/**
 * The model that is asked for, as the server knows it.
 * @throws PlumbError PLUMB_SERVER_MODEL where it is not served, or several are and none is named.
 */
export async function servedModel(client: Client, name: string | undefined, signal?: AbortSignal): Promise<Served> {
  const { data } = objectOf(await client.json('/v1/models', undefined, signal))
  const models = (Array.isArray(data) ? data : []).map(objectOf).filter(({ id }) => typeof id === 'string')
  const names = models.map(({ id }) => id as string)
  const shown = `${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? `, and ${names.length - SHOWN} more` : ''}`
  const wrong = (message: string) => new PlumbError('PLUMB_SERVER_MODEL', message, client.address)
  if (names.length === 0) throw wrong('The server names no model at GET /v1/models; expected one.')
  if (name === undefined && names.length > 1) throw wrong(`The server has ${names.length} models (${shown}); say which by model.`)
  const found = name === undefined ? models[0] : models.find(({ id }) => id === name)
  if (found === undefined) throw wrong(`The server has no model "${name}"; it has ${shown}.`)
  const length = found.max_model_len
  return { name: found.id as string, ...(typeof length === 'number' ? { contextLength: length } : {}) }
}

/** @throws PlumbError PLUMB_SERVER_MODEL where the server's context is too short for what is asked of it. */
export function requireRoom(
  { name, contextLength }: Served,
  requests: readonly SampleRequest[],
  reader: CompletionReader,
  where: string,
): void {
  if (contextLength === undefined) return
  const needed = requests.reduce((most, { promptTokens }) => Math.max(most, promptTokens.length + reader.room(promptTokens)), 0)
  if (needed <= contextLength) return
  const message = `The server's model "${name}" takes ${contextLength} tokens, and a prompt with sample.maxNewTokens has ${needed}; start it with a longer context, or lower sample.maxNewTokens.`
  throw new PlumbError('PLUMB_SERVER_MODEL', message, where)
}

/**
 * Has the server answer the first prompts greedily, and compares: ids with text, and, where the weights must be the stage's, the
 * log-probabilities with the policy's.
 * @throws PlumbError PLUMB_SERVER_NO_IDS, PLUMB_SERVER_TOKENIZER, PLUMB_SERVER_MODEL
 */
export async function checkServer(
  client: Client,
  { name }: Served,
  options: RequestOptions,
  policy: Policy,
  sampling: Sampling,
  requests: readonly SampleRequest[],
  signal?: AbortSignal,
): Promise<void> {
  const protocol = PROTOCOLS[options.server]
  const greedy = {
    temperature: 0,
    maxNewTokens: Math.min(TOKENS, sampling.maxNewTokens),
    seed: 0,
    stop: [],
    endTokens: sampling.endTokens ?? [],
  }
  const reader = new CompletionReader(policy, greedy, client.address)
  const [sum, count] = [{ nats: 0 }, { tokens: 0 }]
  for (const { question, promptTokens } of requests.slice(0, PROMPTS)) {
    const asked = {
      model: name,
      prompt: promptTokens,
      n: 1,
      seed: 0,
      maxTokens: reader.room(promptTokens),
      sampling: greedy,
      endTokens: reader.endTokens,
      logProbs: options.sameWeights,
    }
    const [choice] = protocol.read(await client.json(protocol.path, protocol.body(asked), signal), 1, client.address)
    if (choice === undefined) continue
    checkTokens(policy, promptTokens, choice, question.id, client.address)
    if (!options.sameWeights) continue
    const { tokens, logProbs: theirs } = choice
    if (theirs === undefined || theirs.length < tokens.length) {
      const message =
        'The server gives no log-probabilities, so that nobody can tell whether it computes with the stage-1 model; expected them, or sameWeights: false with the name of its model.'
      throw new PlumbError('PLUMB_SERVER_MODEL', message, client.address)
    }
    const [scored] = await policy.logProbs([{ id: question.id, prompt: promptTokens, completions: [tokens] }])
    const own = scored?.[0]
    tokens.forEach((_, i) => (sum.nats += Math.abs((own?.[i] ?? NaN) - (theirs[i] ?? NaN))))
    count.tokens += tokens.length
  }
  if (count.tokens === 0) return
  const mean = sum.nats / count.tokens
  // NaN is no agreement either.
  if (mean <= options.tolerance) return
  const message =
    `The server's model "${name}" is not the stage-1 model: over ${count.tokens} tokens its log-probabilities are ${mean.toFixed(3)} nats from the backend's on average, and rounding makes less than ${options.tolerance}. ` +
    'Start it on the model folder of the stage (sampler: vllm does), or take it for what it is with sameWeights: false.'
  throw new PlumbError('PLUMB_SERVER_MODEL', message, client.address)
}
