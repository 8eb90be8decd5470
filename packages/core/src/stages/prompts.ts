import type { Spool } from '../run/spool'
import type { GenerationPrompt } from '../seams/policy'
import type { GroupRecord } from '../seams/records'
import { valueAt, type Sequence } from '../util/sequence'
import type { Missing } from './collect'
import type { StageDesk } from './context'
import type { Encoder } from './encoding'
import { eachInSlices } from './slices'

/** A question as a model is asked it. */
export interface Prompted {
  readonly id: string
  readonly record: GroupRecord
  readonly prompt: readonly number[]
}

/** Questions with their prompts in a model's tokens, which are on disk. */
export class EncodedPrompts {
  private constructor(
    private readonly records: Sequence<GroupRecord>,
    private readonly prompts: Spool<number[]>,
  ) {}

  /** @throws PlumbError those of `Encoder.question` */
  static async of(
    records: Sequence<GroupRecord>,
    encoder: Encoder,
    desk: StageDesk,
    signal: AbortSignal | undefined,
  ): Promise<EncodedPrompts> {
    const prompts = desk.spools.create<number[]>('prompts')
    await eachInSlices(records, (record) => prompts.add([...encoder.question(record)]), signal)
    return new EncodedPrompts(records, prompts)
  }

  /** What a policy is asked. */
  static asked({ question: { id, prompt }, candidates }: Missing<Prompted>): GenerationPrompt {
    return { id, prompt, candidates }
  }

  get length(): number {
    return this.records.length
  }

  at(index: number): Prompted {
    const record = valueAt(this.records, index)
    return { id: record.id, record, prompt: valueAt(this.prompts, index) }
  }
}
