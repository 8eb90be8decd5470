import type { Sampling } from '@plumbline/core/base'
import type { Completion } from '@plumbline/transformer'
import type { Tensor } from '../runtime/onnxruntime'
import type { Held } from '../runtime/held'
import type { Feeds, HostTensor } from '../runtime/session'
import { tensorNamed } from '../runtime/tensor-named'
import { choiceGraph, type ChoiceKind } from './choice-graph'
import type { DeviceMemory, DeviceTensor } from './memory'
import { DeviceSession } from './session'
import { DeviceSessions } from './sessions'

/** A completion whose next token is to be chosen, and the row of its logits. */
export interface Choice {
  readonly completion: Completion
  readonly row: number
}

/** The largest float32 below 1. */
const BELOW_ONE = 1 - 2 ** -24

/** How these settings have tokens chosen. */
export function choiceKind({ temperature, topK = 0, topP = 1 }: Sampling): ChoiceKind {
  const random = temperature > 0
  return { random, topK: random && topK > 0 ? topK : undefined, nucleus: random && topP < 1 }
}

/** Chooses tokens on the device: the logits stay there, and a token and one number a completion come back. */
export class DeviceChooser {
  private readonly sessions: DeviceSessions<ChoiceKind>

  constructor(vocabulary: number) {
    this.sessions = sessionsByChoice((kind) => DeviceSession.create(choiceGraph(vocabulary, kind), []))
  }

  /**
   * @param logits [rows, vocabulary], on the device
   * @returns a token for each choice
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the prompt's id
   */
  async choose(logits: Tensor, choices: readonly Choice[], sampling: Sampling): Promise<readonly number[]> {
    if (choices.length === 0) return []
    const session = await this.sessions.of(choiceKind(sampling))
    const { host } = await session.run({
      logits,
      rows: { data: Int32Array.from(choices, ({ row }) => row), dims: [choices.length] },
      uniforms: drawn(choices.map(({ completion }) => completion.draw())),
      ...constants(choices.length, sampling),
    })
    const [tokens, totals] = ['tokens', 'totals'].map((name) => tensorNamed(host, name).data as Float32Array)
    for (const [index, total] of totals!.entries()) requireFinite(total, choices[index]!.completion)
    return [...tokens!]
  }

  release(): Promise<void> {
    return this.sessions.release()
  }
}

/** A session for each way of choosing that was asked for. */
export function sessionsByChoice(create: (kind: ChoiceKind) => Promise<DeviceSession>): DeviceSessions<ChoiceKind> {
  return new DeviceSessions((kind) => JSON.stringify(kind), create)
}

/** Tokens of the same completions, step by step, which the steps choose themselves (`continuedChoice`). They stay on the device until all are asked for. */
export class ChosenTokens {
  private all: DeviceTensor | undefined
  private chosen: DeviceTensor | undefined
  private steps = 0

  /** @param choices completions that stand in some of the rows of `constants` */
  constructor(
    private readonly memory: DeviceMemory,
    private readonly constants: ChoiceConstants,
    private readonly choices: readonly Choice[],
  ) {}

  /** The id that the last step chose for every row, once there is one; of rows without a completion anything. */
  get ids(): Tensor | undefined {
    return this.chosen?.native
  }

  /** Draws a number for every choice: what the choice in the next step reads. */
  draw(): Feeds {
    const { rows } = this.constants
    const uniforms = new Array<number>(rows).fill(0)
    for (const { row, completion } of this.choices) uniforms[row] = completion.draw()
    const before = this.all?.native ?? { data: new Float32Array(rows), dims: [rows, 1] }
    return { ...this.constants.held.feeds, before, uniforms: drawn(uniforms) }
  }

  /** Takes the tokens that a step has chosen. */
  took(resident: Readonly<Record<string, Tensor>>): void {
    this.release()
    this.all = this.memory.hold(tensorNamed(resident, 'all'))
    this.chosen = this.memory.hold(tensorNamed(resident, 'next_ids'))
    this.steps++
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
    this.chosen?.release()
    this.all = this.chosen = undefined
  }
}

/** What the choices of a wave's rows read beside the draws, on the device. */
export class ChoiceConstants {
  private constructor(
    readonly rows: number,
    readonly held: Held,
  ) {}

  static async of(memory: DeviceMemory, rows: number, sampling: Sampling): Promise<ChoiceConstants> {
    return new ChoiceConstants(rows, await memory.uploadAll(constants(rows, sampling)))
  }
}

/** What a choice reads beside the draws. */
function constants(rows: number, sampling: Sampling): Record<string, HostTensor> {
  return {
    numbers: { data: Float32Array.from({ length: rows }, (_, index) => index), dims: [rows, 1] },
    inverse_temperature: { data: Float32Array.of(1 / (sampling.temperature || 1)), dims: [1] },
    top_p: { data: Float32Array.of(sampling.topP ?? 1), dims: [1] },
  }
}

/** A number in [0, 1) for each row. */
function drawn(draws: readonly number[]): HostTensor {
  return { data: Float32Array.from(draws, (draw) => Math.min(draw, BELOW_ONE)), dims: [draws.length, 1] }
}

/** @param total of a row's weights; the largest logit adds 1. Comparing this way round, NaN is refused as well. */
function requireFinite(total: number, completion: Completion): void {
  if (!(total >= 1 && total < Infinity)) throw completion.nonFiniteLogits()
}
