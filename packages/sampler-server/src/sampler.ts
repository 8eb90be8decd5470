import type { Generation, Logger, SampleRequest, Sampler, SamplerContext } from '@plumbline/core'
import { randomStreams } from '@plumbline/core/base'
import { checkServer, requireRoom, servedModel, type Served } from './checks'
import { Client } from './client'
import { CompletionReader } from './completions'
import { inParallel } from './in-parallel'
import type { RequestOptions } from './options'
import { PROTOCOLS } from './protocol'

/** A server that answers, and how it is let go. */
export interface Running {
  readonly url: string
  /** Why it will not answer any more; undefined while it runs, and of a server that somebody else keeps. */
  readonly ended?: () => Error | undefined
  stop?(): Promise<void>
}

/** Gets a server for the model of the stage: finds it, or starts it. */
export type Provider = (context: SamplerContext) => Promise<Running>

/** For tests: the pause before a request is sent again. */
interface Timing {
  readonly pause?: number
}

/** A candidate, or all of a question, in one request. */
interface Job {
  readonly request: SampleRequest
  /** Which candidate is which of the server's choices. */
  readonly candidates: ReadonlyMap<number, number>
  readonly n: number
  readonly seed: number
}

/** Candidates from a server with the OpenAI completions protocol: token ids in, token ids out, so that what is trained is what was drawn. */
export class ServerSampler implements Sampler {
  private connected: { readonly client: Client; readonly served: Served; readonly running: Running } | undefined

  constructor(
    readonly name: string,
    private readonly options: RequestOptions,
    private readonly provider: Provider,
    private readonly logger?: Pick<Logger, 'info'>,
    private readonly timing: Timing = {},
  ) {}

  async *sample(requests: readonly SampleRequest[], context: SamplerContext): AsyncGenerator<Generation> {
    const { policy, sampling, signal } = context
    signal?.throwIfAborted()
    const wanted = requests.filter(({ candidates }) => candidates.length > 0)
    if (wanted.length === 0) return
    const { client, served } = this.connected ?? (await this.connect(wanted, context))
    const reader = new CompletionReader(policy, sampling, client.address)
    requireRoom(served, wanted, reader, client.address)
    const protocol = PROTOCOLS[this.options.server]
    const ask = async ({ request: { question, promptTokens }, candidates, n, seed }: Job, stop: AbortSignal): Promise<Generation[]> => {
      const body = protocol.body({
        model: served.name,
        prompt: promptTokens,
        n,
        seed,
        maxTokens: reader.room(promptTokens),
        sampling,
        endTokens: reader.endTokens,
      })
      const choices = protocol.read(await client.json(protocol.path, body, stop), n, client.address)
      return [...candidates].map(([candidate, place]) => reader.read({ id: question.id, candidate, prompt: promptTokens }, choices[place]!))
    }
    yield* inParallel(jobsOf(wanted, this.options.requests, seeds(sampling.seed)), this.options.concurrency, ask, signal)
  }

  /** Ends a server that was started. Sampling after that connects anew. */
  async close(): Promise<void> {
    const { connected } = this
    this.connected = undefined
    connected?.client.close()
    await connected?.running.stop?.()
  }

  private async connect(requests: readonly SampleRequest[], context: SamplerContext): Promise<NonNullable<typeof this.connected>> {
    const { policy, sampling, signal } = context
    const running = await this.provider(context)
    const client = new Client({ ...this.options, ...this.timing, ...running })
    try {
      const served = await servedModel(client, this.options.model, signal)
      await checkServer(client, served, this.options, policy, sampling, requests, signal)
      this.logger?.info(
        `Sampling from ${client.address}, model "${served.name}"${this.options.sameWeights ? ', whose log-probabilities are the backend’s' : ''}.`,
      )
      this.connected = { client, served, running }
      return this.connected
    } catch (error) {
      client.close()
      await running.stop?.()
      throw error
    }
  }
}

type Seeds = (...key: readonly (string | number)[]) => number

/** All of a question in one request asks for those that are there already, too: a server numbers what it draws from 0. */
function jobsOf(requests: readonly SampleRequest[], form: RequestOptions['requests'], seedOf: Seeds): Job[] {
  if (form === 'candidate') {
    return requests.flatMap((request) =>
      request.candidates.map((candidate) => ({
        request,
        candidates: new Map([[candidate, 0]]),
        n: 1,
        seed: seedOf(request.question.id, candidate),
      })),
    )
  }
  return requests.map((request) => ({
    request,
    candidates: new Map(request.candidates.map((candidate) => [candidate, candidate])),
    n: Math.max(...request.candidates) + 1,
    seed: seedOf(request.question.id),
  }))
}

/** Seeds of 31 bits, which every server takes, from the run's seed and whose completion it is: independent of order and of what else is asked. */
function seeds(seed: number): Seeds {
  const streams = randomStreams(seed)
  return (...key) => Math.floor(streams('server', ...key)() * 2 ** 31)
}
