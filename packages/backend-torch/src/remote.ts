import type { PackedGroup } from '@plumbline/transformer'
import { sentGroups } from './groups'
import type { Answer, Channel } from './process/channel'
import type { NumberArray } from './process/frames'
import type { Methods } from './process/methods'

/** Methods of one model. */
type ModelMethod = {
  [M in keyof Methods]: Methods[M]['params'] extends { readonly model: number } ? M : never
}[keyof Methods]

/** An opened model on the other side. */
export class RemoteModel {
  constructor(
    private readonly channel: Channel,
    private readonly model: number,
  ) {}

  get isAlive(): boolean {
    return this.channel.isAlive
  }

  call<M extends ModelMethod>(
    method: M,
    params: Omit<Methods[M]['params'], 'model'>,
    arrays: readonly NumberArray[] = [],
  ): Promise<Answer<Methods[M]['result']>> {
    return this.channel.call(method, { ...params, model: this.model }, arrays)
  }

  async logProbs(part: readonly PackedGroup[], snapshot?: number): Promise<Float32Array> {
    const { groups, tokens } = sentGroups(part)
    return floats(await this.call('log_probs', { groups, snapshot }, [tokens]))
  }

  /** @param words of the draws, where inputs are dropped. */
  async forward(part: readonly PackedGroup[], keep: boolean, words?: Uint32Array): Promise<Float32Array> {
    const { groups, tokens } = sentGroups(part, words !== undefined)
    return floats(await this.call('forward', { groups, keep }, words ? [tokens, words] : [tokens]))
  }

  /** @returns the first token of every slot, in their order. */
  async startRows(prompts: readonly PackedGroup[], slots: readonly (readonly number[])[], uniforms: Float64Array): Promise<Int32Array> {
    const { groups, tokens } = sentGroups(prompts)
    const { arrays } = await this.call('start_rows', { groups, slots }, [tokens, uniforms])
    return arrays[0] as Int32Array
  }
}

const floats = ({ arrays }: Answer<unknown>): Float32Array => arrays[0] as Float32Array
