import type { Tensor } from '../runtime/onnxruntime'
import type { Sampling } from '@plumbline/core/base'
import type { Completion } from '@plumbline/transformer'
import type { HostTensor } from '../runtime/session'
import { choiceGraph, type ChoiceKind } from './choice-graph'
import { DeviceSession } from './session'
import { tensorNamed } from '../runtime/tensor-named'

/** A completion whose next token is to be chosen, and the row of its logits. */
export interface Choice {
  readonly completion: Completion
  readonly row: number
}

/** The largest float32 below 1. */
const BELOW_ONE = 1 - 2 ** -24

/** Chooses tokens on the device: the logits stay there, and a token and one number a completion come back. */
export class DeviceChooser {
  /** One for each way of choosing that was asked for. */
  private readonly sessions = new Map<string, Promise<DeviceSession>>()

  constructor(private readonly vocabulary: number) {}

  /**
   * @param logits [rows, vocabulary], on the device
   * @returns a token for each choice
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the prompt's id
   */
  async choose(logits: Tensor, choices: readonly Choice[], sampling: Sampling): Promise<readonly number[]> {
    if (choices.length === 0) return []
    const session = await this.sessionFor(sampling)
    const column = (value: (choice: Choice, index: number) => number): HostTensor => ({
      data: Float32Array.from(choices, value),
      dims: [choices.length, 1],
    })
    const { host } = await session.run({
      logits,
      rows: { data: Int32Array.from(choices, ({ row }) => row), dims: [choices.length] },
      numbers: column((_, index) => index),
      uniforms: column(({ completion }) => Math.min(completion.draw(), BELOW_ONE)),
      inverse_temperature: { data: Float32Array.of(1 / (sampling.temperature || 1)), dims: [1] },
      top_p: { data: Float32Array.of(sampling.topP ?? 1), dims: [1] },
    })
    for (const [index, total] of (tensorNamed(host, 'totals').data as Float32Array).entries()) {
      // The largest logit adds 1. Comparing this way round, NaN is refused as well.
      if (!(total >= 1 && total < Infinity)) throw choices[index]!.completion.nonFiniteLogits()
    }
    return [...(tensorNamed(host, 'tokens').data as Float32Array)]
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
  }

  private sessionFor({ temperature, topK = 0, topP = 1 }: Sampling): Promise<DeviceSession> {
    const random = temperature > 0
    const kind: ChoiceKind = { random, topK: random && topK > 0 ? topK : undefined, nucleus: random && topP < 1 }
    const key = JSON.stringify(kind)
    const session = this.sessions.get(key) ?? DeviceSession.create(choiceGraph(this.vocabulary, kind), [])
    this.sessions.set(key, session)
    return session
  }
}
