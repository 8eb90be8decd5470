import { z } from 'zod'

const affectsNoResult = { affectsResults: false } as const

/** Answers come whole: a request waits for the server's queue and for the last of its tokens. */
const TIMEOUT_SECONDS = 600
const START_SECONDS = 900

const address = z
  .url({ protocol: /^https?$/, error: 'must be an address that starts with http:// or https://' })
  .refine((text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''), {
    error: 'must not hold a user or a password; apiKey is for that',
  })
  .meta({ ...affectsNoResult, description: 'The server, with or without `/v1` behind it: `http://gpu1:8000/v1`.' })

const shared = {
  model: z.string().min(1).optional().meta({
    description: 'The name that the server has for the model.',
    whenAbsent: 'the only one that it serves',
  }),
  sameWeights: z
    .boolean()
    .default(true)
    .describe(
      'Whether the server computes with the stage-1 model. `true`: its log-probabilities of a few tokens are compared with the backend’s, and another model is refused. `false`: it has another model of the same tokenizer, whose name `model` then gives.',
    ),
  tolerance: z
    .number()
    .positive()
    .default(0.1)
    .meta({
      ...affectsNoResult,
      description:
        'How far the server’s log-probabilities may be from the backend’s, in nats a token on average: rounding to bfloat16 makes a few hundredths, quantised weights make more.',
    }),
  requests: z
    .enum(['candidate', 'question'])
    .default('candidate')
    .describe(
      '`candidate`: a request and a seed for each; servers that keep prefixes compute the prompt once all the same. `question`: one request with `n` candidates.',
    ),
  concurrency: z
    .int()
    .min(1)
    .max(4096)
    .default(64)
    .meta({ ...affectsNoResult, description: 'Requests under way at the same time.' }),
  retries: z
    .int()
    .min(0)
    .max(100)
    .default(5)
    .meta({
      ...affectsNoResult,
      description: 'How often a request is sent again that got no answer, or 408, 429 or 5xx; the pauses double, and obey Retry-After.',
    }),
  timeout: z
    .number()
    .positive()
    .max(86_400)
    .default(TIMEOUT_SECONDS)
    .meta({ ...affectsNoResult, description: 'Seconds that a request may take.' }),
  apiKey: z
    .string()
    .min(1)
    .optional()
    .meta({
      ...affectsNoResult,
      secret: true,
      description: 'Sent as `Authorization: Bearer …`, and written down nowhere: `${env:VLLM_API_KEY}`.',
    }),
}

type Shared = { readonly sameWeights: boolean; readonly model?: string | undefined }

const modelIsNamed = (options: Shared): boolean => options.sameWeights || options.model !== undefined
const MODEL_UNNAMED = { path: ['model'], error: 'must name the model where sameWeights is false: the samples are known by it' }

export const openaiOptions = z
  .strictObject({
    url: address,
    server: z
      .enum(['vllm', 'sglang', 'llama.cpp'])
      .default('vllm')
      .describe(
        'How token ids are asked for and given: by `return_token_ids` (vLLM, SGLang, and what follows them), or as llama.cpp’s own `/completion` does.',
      ),
    ...shared,
  })
  .refine(modelIsNamed, MODEL_UNNAMED)

export const vllmOptions = z
  .strictObject({
    url: address.optional().meta({
      ...affectsNoResult,
      description: 'A server that runs already.',
      whenAbsent: 'one is started on the stage-1 model, and ended with the stage',
    }),
    ...shared,
    command: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .meta({
        ...affectsNoResult,
        description:
          'The command that starts the server, a word an entry. `{model}` is the folder of the model, `{port}` a free port: both must stand in it.',
        whenAbsent: '`[vllm, serve, "{model}", --host, 127.0.0.1, --port, "{port}"]`',
      }),
    args: z
      .array(z.string().min(1))
      .default([])
      .meta({ ...affectsNoResult, description: 'Words behind it: `[--gpu-memory-utilization, "0.5"]`.' }),
    startTimeout: z
      .number()
      .positive()
      .max(86_400)
      .default(START_SECONDS)
      .meta({ ...affectsNoResult, description: 'Seconds until the started server must answer.' }),
  })
  .refine(modelIsNamed, MODEL_UNNAMED)
  .refine(({ url, command, args }) => url === undefined || (command === undefined && args.length === 0), {
    path: ['url'],
    error: 'stands for a server that runs, and command and args for one that is started; give one of them',
  })
  .refine(({ url, model, sameWeights }) => url !== undefined || (model === undefined && sameWeights), {
    path: ['model'],
    error: 'and sameWeights are for a server that runs (url): one that is started serves the stage-1 model',
  })
  .refine(({ command }) => command === undefined || ['{model}', '{port}'].every((part) => command.some((word) => word.includes(part))), {
    path: ['command'],
    error: 'must hold {model} and {port}',
  })

export type OpenaiOptions = z.output<typeof openaiOptions>
export type VllmOptions = z.output<typeof vllmOptions>

/** What is the same for a server that runs and for one that is started. */
export type RequestOptions = Pick<OpenaiOptions, keyof typeof shared | 'server'>
