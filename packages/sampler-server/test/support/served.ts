import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Generation, Policy, SampleRequest, Sampling } from '@plumbline/core'
import { BigramBackend } from '../../../core/test/support/bigram-backend'
import { WORDS } from '../../../core/test/support/world'
import { openaiOptions, ServerSampler } from '../../src'
import { fakeServer } from '../fixtures/fake-server.cjs'

/** One choice of an answer, or what stands in the place of an answer. */
export type Json = Record<string, unknown>

export interface FakeOptions {
  readonly models?: readonly Json[]
  readonly hold?: number
  readonly meddle?: (answer: Json, request: Json, count: number) => Json
}

export interface Fake {
  readonly url: string
  /** Bodies of the requests for completions, in the order in which they came. */
  readonly requests: Json[]
  readonly headers: IncomingHttpHeaders[]
  /** Most requests that were under way at once. */
  readonly most: () => number
}

/** Servers and folders of one test file; `dispose` ends them. */
export class Fakes {
  private readonly servers: Server[] = []
  private readonly folders: string[] = []

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'plumbline-server-'))
    this.folders.push(folder)
    return folder
  }

  /** A folder with a bigram model whose every row prefers something. */
  async model(seed = 1): Promise<string> {
    const path = join(this.folder(), 'model')
    const policy = await new BigramBackend().open({ kind: 'scratch', architecture: { words: WORDS }, tokenizer: '', seed })
    const rows = Array.from({ length: WORDS.length + 3 }, (_, token) => ({
      id: `${token}`,
      prompt: [token],
      completions: [[((token * 7 + seed) % (WORDS.length + 2)) + 1]],
    }))
    for (let step = 0; step < 20; step++) {
      await policy.forwardBackward(rows, (batch) => ({
        loss: 0,
        cotangents: batch.map(() => [-1]),
      }))
      await policy.optimStep({ learningRate: 0.1, betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0 })
    }
    await policy.saveWeights(path)
    await policy.dispose()
    return path
  }

  async serve(folder: string | (() => string), options: FakeOptions = {}): Promise<Fake> {
    const { server, state } = fakeServer({ folder: typeof folder === 'string' ? () => folder : folder, ...options })
    this.servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
    return { url, requests: state.requests, headers: state.headers, most: () => state.most }
  }

  dispose(): void {
    for (const server of this.servers) {
      server.closeAllConnections()
      server.close()
    }
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true })
  }
}

export const openModel = (path: string): Promise<Policy> => new BigramBackend().open({ kind: 'folder', path })

/** A sampler that does not wait long before it asks again. */
export function samplerOf({ url }: Pick<Fake, 'url'>, options: Json = {}): ServerSampler {
  const parsed = openaiOptions.parse({ url, ...options })
  return new ServerSampler('openai', parsed, () => Promise.resolve({ url: parsed.url }), undefined, { pause: 1 })
}

export const SAMPLING: Sampling = { seed: 5, temperature: 1, maxNewTokens: 6 }

export const requestOf = (policy: Policy, id: string, prompt: string, candidates: readonly number[]): SampleRequest => ({
  question: { id, prompt },
  promptTokens: policy.tokenizer.encode(prompt, { addSpecial: true }),
  candidates,
})

/** Everything that is yielded, by whose it is. */
export async function collected(items: AsyncIterable<Generation>): Promise<Map<string, Generation>> {
  const found = new Map<string, Generation>()
  for await (const generation of items) found.set(`${generation.id}/${generation.candidate}`, generation)
  return found
}
