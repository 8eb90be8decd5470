import type { Sampling } from '@plumbline/core'
import { PlumbError } from '@plumbline/core/base'

/** How a server is asked for completions, and what it answers. */
export type ServerKind = 'vllm' | 'sglang' | 'llama.cpp'

export interface CompletionRequest {
  readonly model: string
  readonly prompt: readonly number[]
  /** Candidates of one request. */
  readonly n: number
  readonly seed: number
  readonly maxTokens: number
  readonly sampling: Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'stop'>
  readonly endTokens: readonly number[]
  /** Ask for the log-probability of each token. */
  readonly logProbs?: boolean
}

/** One candidate as a server gives it. */
export interface Choice {
  readonly tokens: readonly number[]
  readonly text: string
  /** `stop`: an end token or a stop string; `length`: the limit; anything else is the server's own. */
  readonly finish: string
  /** The prompt as the server understood it, where it says so. */
  readonly promptTokens?: readonly number[]
  readonly logProbs?: readonly number[]
}

export interface Protocol {
  /** Below the server's address. */
  readonly path: string
  /** The JSON of a request. */
  body(request: CompletionRequest): Readonly<Record<string, unknown>>
  /**
   * Reads an answer, candidates in their order.
   * @throws PlumbError PLUMB_SERVER_NO_IDS, PLUMB_SERVER_ANSWER
   */
  read(answer: unknown, n: number, where: string): readonly Choice[]
}

/**
 * `/v1/completions` with `return_token_ids`: vLLM from 0.10.2 on, and SGLang. Every setting is sent: what is left out a server takes from the
 * model's `generation_config.json`.
 */
const openai: Protocol = {
  path: '/v1/completions',
  body: ({ model, prompt, n, seed, maxTokens, sampling, endTokens, logProbs }) => ({
    model,
    prompt,
    n,
    seed,
    max_tokens: maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP ?? 1,
    top_k: sampling.topK === undefined || sampling.topK === 0 ? -1 : sampling.topK,
    min_p: 0,
    presence_penalty: 0,
    frequency_penalty: 0,
    repetition_penalty: 1,
    stop: sampling.stop ?? [],
    stop_token_ids: endTokens,
    skip_special_tokens: true,
    return_token_ids: true,
    stream: false,
    ...(logProbs ? { logprobs: 1 } : {}),
  }),
  read: (answer, n, where) => {
    const { choices } = objectOf(answer)
    if (!Array.isArray(choices) || choices.length !== n) {
      throw unreadable(`it holds ${Array.isArray(choices) ? choices.length : 'no list of'} choices, and ${n} were asked for`, where)
    }
    const found = new Map(choices.map((each, place) => [Number(objectOf(each).index ?? place), objectOf(each)]))
    return Array.from({ length: n }, (_, index) => {
      const choice = found.get(index)
      if (choice === undefined) throw unreadable(`it holds no choice ${index} of ${n}`, where)
      const { token_ids: tokens, text, finish_reason: finish, prompt_token_ids: promptTokens, logprobs } = choice
      if (!isIds(tokens)) throw noIds('return_token_ids', where)
      const values = objectOf(logprobs).token_logprobs
      return {
        tokens,
        text: typeof text === 'string' ? text : '',
        finish: String(finish),
        ...(isIds(promptTokens) ? { promptTokens } : {}),
        ...(isNumbers(values) ? { logProbs: values } : {}),
      }
    })
  },
}

/** llama.cpp's own `/completion` with `return_tokens`: its `/v1/completions` gives no ids. Samplers that it has on by itself are turned off. */
const llamaCpp: Protocol = {
  path: '/completion',
  body: ({ prompt, n, seed, maxTokens, sampling, logProbs }) => ({
    prompt,
    n_predict: maxTokens,
    ...(n > 1 ? { n_cmpl: n } : {}),
    seed,
    temperature: sampling.temperature,
    top_k: sampling.topK ?? 0,
    top_p: sampling.topP ?? 1,
    min_p: 0,
    typical_p: 1,
    top_n_sigma: -1,
    repeat_penalty: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    dry_multiplier: 0,
    xtc_probability: 0,
    dynatemp_range: 0,
    mirostat: 0,
    stop: sampling.stop ?? [],
    return_tokens: true,
    cache_prompt: true,
    stream: false,
    ...(logProbs ? { n_probs: 1 } : {}),
  }),
  read: (answer, n, where) => {
    const all = Array.isArray(answer) ? answer : [answer]
    if (all.length !== n) throw unreadable(`it holds ${all.length} completions, and ${n} were asked for`, where)
    const found = new Map(all.map((each, place) => [Number(objectOf(each).index ?? place), objectOf(each)]))
    return Array.from({ length: n }, (_, index) => {
      const { tokens, content, stop_type: stop, completion_probabilities: probabilities } = found.get(index) ?? objectOf(all[index])
      if (!isIds(tokens)) throw noIds('return_tokens', where)
      const values = Array.isArray(probabilities) ? probabilities.map((each) => objectOf(each).logprob) : undefined
      return {
        tokens,
        text: typeof content === 'string' ? content : '',
        finish: stop === 'eos' || stop === 'word' ? 'stop' : stop === 'limit' ? 'length' : String(stop),
        ...(isNumbers(values) ? { logProbs: values } : {}),
      }
    })
  },
}

export const PROTOCOLS: Readonly<Record<ServerKind, Protocol>> = { vllm: openai, sglang: openai, 'llama.cpp': llamaCpp }

export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

const isNumbers = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number')

/** An empty list is what a server gives that knows the field and was not asked. */
const isIds = (value: unknown): value is readonly number[] => isNumbers(value) && value.every((id) => Number.isInteger(id))

function noIds(field: string, where: string): PlumbError {
  const message =
    `The server gives text and no token ids (it was asked by ${field}), and a text does not say which tokens were drawn: ` +
    'expected vLLM 0.10.2 or newer, an SGLang that knows return_token_ids, or llama.cpp (server: llama.cpp).'
  return new PlumbError('PLUMB_SERVER_NO_IDS', message, where)
}

export function unreadable(what: string, where: string): PlumbError {
  return new PlumbError('PLUMB_SERVER_ANSWER', `The server's answer cannot be used: ${what}.`, where)
}
