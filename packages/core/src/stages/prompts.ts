import type { Spool } from '../run/spool'
import type { GenerationPrompt } from '../seams/policy'
import type { GroupRecord } from '../seams/records'
import { NumberList, valueAt, type Sequence } from '../util/sequence'
import type { Missing } from './collect'
import type { StageDesk } from './context'
import type { Encoder } from './encoding'
import { promptNotices } from './encoding-notices'
import { eachInSlices } from './slices'

/** A question as a model is asked it. */
export interface Prompted {
  readonly id: string
  readonly record: GroupRecord
  readonly prompt: readonly number[]
}

/** Questions with their prompts in a model's tokens, which are on disk; without those whose prompt is too long, where such are skipped. */
export class EncodedPrompts {
  private constructor(
    private readonly records: Sequence<GroupRecord>,
    /** Places of the records that are asked. */
    private readonly kept: NumberList<Uint32Array>,
    private readonly prompts: Spool<number[]>,
  ) {}

  /**
   * Says how many prompts were left out or cut.
   * @param title of the data, for what is said
   * @throws PlumbError those of `Encoder.question`
   */
  static async of(
    records: Sequence<GroupRecord>,
    encoder: Encoder,
    desk: StageDesk,
    signal: AbortSignal | undefined,
    title = 'data.test',
  ): Promise<EncodedPrompts> {
    const prompts = desk.spools.create<number[]>('prompts')
    const kept = new NumberList(Uint32Array)
    let place = 0
    const encode = (record: GroupRecord): void => {
      encoder.noteArguments(record)
      const prompt = encoder.question(record)
      if (prompt !== undefined) {
        prompts.add([...prompt])
        kept.push(place)
      }
      place++
    }
    await eachInSlices(records, encode, signal)
    for (const { level, message } of promptNotices(encoder, title)) desk.notice(level, message)
    return new EncodedPrompts(records, kept, prompts)
  }

  /** What a policy is asked. */
  static asked({ question: { id, prompt }, candidates }: Missing<Prompted>): GenerationPrompt {
    return { id, prompt, candidates }
  }

  get length(): number {
    return this.kept.length
  }

  at(index: number): Prompted {
    const record = valueAt(this.records, valueAt(this.kept, index))
    return { id: record.id, record, prompt: valueAt(this.prompts, index) }
  }
}
