import type { ModelSource } from '@plumbline/core/base'
import type { TokenizerIds } from '@plumbline/transformer'
import type { EngineClient } from './client'
import type { EngineMethods, EngineSettings, OpenedModel } from './engine'

/**
 * One engine, or several with the same model that share the work.
 *
 * A small model's operators are too short to share among threads: two engines of one thread each did in 77 ms what one
 * engine of two threads did in 115 (363,000 parameters, two cores). All engines hold the same weights and optimizer state,
 * bit for bit: each gets the same sum of all gradients and takes the same step.
 */
export class EngineTeam {
  private constructor(private readonly engines: readonly EngineClient[]) {}

  static async open(
    source: ModelSource,
    { vocabularySize, bosId, eosId, padId }: TokenizerIds,
    settings: EngineSettings,
    engines: readonly EngineClient[],
  ): Promise<{ team: EngineTeam; opened: OpenedModel }> {
    const team = new EngineTeam(engines)
    try {
      const [opened] = await team.all('open', source, { vocabularySize, bosId, eosId, padId }, settings)
      return { team, opened: opened! }
    } catch (error) {
      await team.close()
      throw error
    }
  }

  get size(): number {
    return this.engines.length
  }

  /** The engine that speaks for all: what it saves is what every engine holds. */
  get first(): EngineClient {
    return this.engines[0]!
  }

  /** The same call on every engine; settles when all have, so that none is left at work behind an error. */
  async all<M extends keyof EngineMethods>(
    method: M,
    ...args: Parameters<EngineMethods[M]>
  ): Promise<Awaited<ReturnType<EngineMethods[M]>>[]> {
    return allSettled(this.engines.map((engine) => engine.call(method, ...args)))
  }

  /**
   * Works through the items, item i on engine i mod n, each engine one after the other. Which engine does what depends on the
   * items' order alone, so sums have the same bits in every run.
   *
   * @returns results in the items' order.
   */
  async share<T, R>(items: readonly T[], work: (engine: EngineClient, item: T) => Promise<R>): Promise<R[]> {
    const results: R[] = new Array<R>(items.length)
    let failed = false
    const lanes = this.engines.map(async (engine, lane) => {
      for (let i = lane; i < items.length && !failed; i += this.size) {
        try {
          results[i] = await work(engine, items[i]!)
        } catch (error) {
          failed = true
          throw error
        }
      }
    })
    await allSettled(lanes)
    return results
  }

  /** Gives every engine the sum of all engines' gradients. */
  async sumGradients(): Promise<void> {
    if (this.size === 1) return
    const [sum, ...others] = await this.all('takeGradients')
    for (const gradients of others) for (let i = 0; i < sum!.length; i++) sum![i]! += gradients[i]!
    await this.all('setGradients', sum!)
  }

  async close(): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.close()))
  }
}

/**
 * Like Promise.all, but waits for the others before it reports a failure: the first in time, because those after it may be its
 * consequence (an engine that was told to stop, or that found its files gone).
 */
async function allSettled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  let first: { readonly reason: unknown } | undefined
  const settled = await Promise.all(
    promises.map((promise) =>
      promise.catch((reason: unknown) => {
        first ??= { reason }
        return undefined as T
      }),
    ),
  )
  if (first) throw first.reason
  return settled
}
