import type { Sampling } from '@plumbline/core/base'
import type { Completion } from '@plumbline/transformer'
import type { Emitted } from '../graph/emit'
import type { Tensor } from '../runtime/onnxruntime'
import type { HostTensor } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { choiceGraph, continuedChoiceGraph, type ChoiceKind } from './choice-graph'
import type { DeviceMemory, DeviceTensor } from './memory'
import { DeviceSession } from './session'

/** A completion whose next token is to be chosen, and the row of its logits. */
export interface Choice {
  readonly completion: Completion
  readonly row: number
}

/** The largest float32 below 1. */
const BELOW_ONE = 1 - 2 ** -24

/** Chooses tokens on the device: the logits stay there, and a token and one number a completion come back, at once or some steps later. */
export class DeviceChooser {
  /** One for each way of choosing that was asked for. */
  private readonly sessions = new Map<string, Promise<DeviceSession>>()

  constructor(
    private readonly vocabulary: number,
    private readonly memory: DeviceMemory,
  ) {}

  /**
   * @param logits [rows, vocabulary], on the device
   * @returns a token for each choice
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the prompt's id
   */
  async choose(logits: Tensor, choices: readonly Choice[], sampling: Sampling): Promise<readonly number[]> {
    if (choices.length === 0) return []
    const session = await this.sessionFor('once', sampling)
    const { host } = await session.run({
      logits,
      rows: { data: Int32Array.from(choices, ({ row }) => row), dims: [choices.length] },
      ...drawFeeds(
        choices.map(({ completion }) => completion.draw()),
        sampling,
      ),
    })
    const [tokens, totals] = ['tokens', 'totals'].map((name) => tensorNamed(host, name).data as Float32Array)
    for (const [index, total] of totals!.entries()) requireFinite(total, choices[index]!.completion)
    return [...tokens!]
  }

  /** Begins to choose several tokens, one after the other, for completions that stand in some of a wave's rows. */
  async begin(rows: number, choices: readonly Choice[], sampling: Sampling): Promise<ChosenTokens> {
    return new ChosenTokens(await this.sessionFor('continued', sampling), this.memory, rows, choices, sampling)
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
  }

  private sessionFor(form: 'once' | 'continued', { temperature, topK = 0, topP = 1 }: Sampling): Promise<DeviceSession> {
    const random = temperature > 0
    const kind: ChoiceKind = { random, topK: random && topK > 0 ? topK : undefined, nucleus: random && topP < 1 }
    const key = JSON.stringify([form, kind])
    const graph: Emitted = form === 'once' ? choiceGraph(this.vocabulary, kind) : continuedChoiceGraph(this.vocabulary, kind)
    const session = this.sessions.get(key) ?? DeviceSession.create(graph, form === 'once' ? [] : graph.outputs)
    this.sessions.set(key, session)
    return session
  }
}

/** Tokens of the same completions, step by step. They stay on the device, where the next step reads them, until all are asked for. */
export class ChosenTokens {
  private all: DeviceTensor | undefined
  private ids: DeviceTensor | undefined
  private steps = 0

  constructor(
    private readonly session: DeviceSession,
    private readonly memory: DeviceMemory,
    private readonly rows: number,
    private readonly choices: readonly Choice[],
    private readonly sampling: Sampling,
  ) {}

  /**
   * @param logits [rows, vocabulary], on the device
   * @returns the next token's id of every row, on the device until the next call; of rows without a completion anything.
   */
  async next(logits: Tensor): Promise<Tensor> {
    const uniforms = new Array<number>(this.rows).fill(0)
    for (const { row, completion } of this.choices) uniforms[row] = completion.draw()
    const before = this.all?.native ?? { data: new Float32Array(this.rows), dims: [this.rows, 1] }
    const { resident } = await this.session.run({ logits, before, ...drawFeeds(uniforms, this.sampling) })
    this.release()
    this.all = this.memory.hold(tensorNamed(resident, 'all'))
    this.ids = this.memory.hold(tensorNamed(resident, 'ids'))
    this.steps++
    return this.ids.native
  }

  /**
   * Waits for the device.
   * @returns for each step, what a choice's token was. Asking for one whose logits were not finite throws PlumbError PLUMB_NON_FINITE_LOGITS.
   */
  async read(): Promise<((choice: Choice) => number)[]> {
    const numbers = this.all ? await this.memory.download(this.all) : new Float32Array(0)
    const width = 1 + 2 * this.steps
    return Array.from({ length: this.steps }, (_, step) => ({ row, completion }: Choice) => {
      const at = row * width + 1 + 2 * step
      requireFinite(numbers[at + 1]!, completion)
      return numbers[at]!
    })
  }

  release(): void {
    this.all?.release()
    this.ids?.release()
    this.all = this.ids = undefined
  }
}

/** A number for each row in the running, and what all of them share. */
function drawFeeds(draws: readonly number[], sampling: Sampling): Record<string, HostTensor> {
  const column = (value: (index: number) => number): HostTensor => ({
    data: Float32Array.from(draws, (_, index) => value(index)),
    dims: [draws.length, 1],
  })
  return {
    numbers: column((index) => index),
    uniforms: column((index) => Math.min(draws[index]!, BELOW_ONE)),
    inverse_temperature: { data: Float32Array.of(1 / (sampling.temperature || 1)), dims: [1] },
    top_p: { data: Float32Array.of(sampling.topP ?? 1), dims: [1] },
  }
}

/** @param total of a row's weights; the largest logit adds 1. Comparing this way round, NaN is refused as well. */
function requireFinite(total: number, completion: Completion): void {
  if (!(total >= 1 && total < Infinity)) throw completion.nonFiniteLogits()
}
