import type { GroupRecord } from '../seams/records'
import { PlumbError } from '../errors'
import { promptIdentity } from '../prompt/identity'
import { ReferenceLikelihood } from '../objective/reference-likelihood'
import type { ModelFacts } from '../seams/policy'
import { EpochOrder, stepsOf } from '../train/order'
import { trainingStep, type TrainingGroup } from '../train/step'
import type { Finished, Model, StageContext, StageDesk } from './context'
import type { DataSet, RunData } from './data'
import type { Encoder } from './encoding'
import { encodingNotices } from './encoding-notices'
import { isShown } from './reading'
import { eachInSlices } from './slices'
import { valueAt, type Sequence } from '../util/sequence'
import { leavesAdapter, noteOtherValidation, trainingSection, trainModel } from './train-model'
import { planOf } from './training-plan'

/** Stage 1, VFT: maximum likelihood on the reference chains of `data.train`. */
export async function sftStage(context: StageContext, data: RunData, base: Model): Promise<Finished> {
  const { sft, seed } = context.config
  noteIdlePrompt(context, data)
  // Without a step the model is what it was, whatever else the section says.
  const trains = sft.steps !== 0
  const determinedBy = {
    model: base.hash,
    ...(trains
      ? { sft: trainingSection(sft), ...promptIdentity(context.config, 'chains'), train: data.train.hash }
      : { sft: { steps: 0 } }),
  }
  const finished = await context.run({ stage: 'sft', determinedBy, backend: true, seed: trains ? seed : undefined }, (desk) => {
    const encode = async (model: ModelFacts, signal: AbortSignal | undefined) => {
      const references = new ReferenceEncoding(context, desk, model, signal)
      context.encoder(model).ending([], [...context.config.sample.stop, ...context.config.evaluate.stop])
      noteHiddenTags(context, desk, model)
      // Every prompt must leave room for an answer; better known before training than after.
      for (const { records } of [data.questions, data.test]) {
        const encoder = context.encoder(model)
        await eachInSlices(records, (record) => encoder.question(record), signal)
      }
      return {
        examples: !trains ? NONE : await references.of(data.train),
        validation: data.validation ? await references.of(data.validation) : NONE,
      }
    }
    const plan = planOf(sft, 'sft', seed)
    return context.withTrainee(base, plan, encode, async (policy, { examples, validation }) => {
      const losses = [{ name: 'sft', loss: new ReferenceLikelihood(), weight: 1 }]
      const order = new EpochOrder(examples.length, seed, 'sft')
      return trainModel(context, desk, {
        policy,
        adapter: leavesAdapter(plan, base),
        config: sft,
        totalSteps: stepsOf(sft, examples.length, sft.batchSize),
        step: (step) =>
          trainingStep(
            losses,
            order.batch(step, sft.batchSize).map((i) => valueAt(examples, i)),
          ),
        title: 'sft',
        validation,
        validationHash: data.validation?.hash,
      })
    })
  })
  noteOtherValidation(context, finished, data.validation)
  return finished
}

/** Says which keys of `prompt` do nothing, since no record goes through a chat template. */
function noteIdlePrompt(context: StageContext, { train, questions, test }: RunData): void {
  const { chat, system, chatTemplateKwargs } = context.config.prompt
  const keys = [
    ...(system === undefined ? [] : ['prompt.system']),
    ...(Object.keys(chatTemplateKwargs).length > 0 ? ['prompt.chatTemplateKwargs'] : []),
  ]
  if (keys.length === 0 || chat !== 'auto') return
  for (const { records } of [train, questions, test]) for (const { messages } of records) if (messages !== undefined) return
  context.say(
    'warning',
    `${keys.join(' and ')} ${keys.length === 1 ? 'changes' : 'change'} nothing: the data holds no conversations, and plain questions go through the chat template with prompt.chat: true alone.`,
  )
}

/** Tags that no text shows cannot be looked for. */
function noteHiddenTags({ config }: StageContext, desk: StageDesk, { tokenizer }: ModelFacts): void {
  const { thinking } = tokenizer
  if (config.prompt.thinking !== 'auto' || thinking === undefined || thinking.every((tag) => isShown(tokenizer, tag))) return
  desk.notice(
    'warning',
    `The model's reasoning stands between ${thinking.join(' and ')}, special tokens that texts do not show: answers are read in the whole text, reasoning included.`,
  )
}

/** No groups. */
export const NONE: Sequence<TrainingGroup> = []

/** Questions with their reference chains alone, in a model's tokens. */
export class ReferenceEncoding {
  constructor(
    private readonly context: StageContext,
    private readonly desk: StageDesk,
    private readonly model: ModelFacts,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /**
   * Groups of the role `sft`, on disk. What is too long is left out or cut as the configuration says, and said so.
   * @throws PlumbError PLUMB_DATA_EMPTY when none is left, and those of `Encoder.example`
   */
  async of({ records, title }: DataSet): Promise<Sequence<TrainingGroup>> {
    const encoder = this.context.encoder(this.model)
    const groups = this.desk.spools.create<TrainingGroup>(title)
    const encode = (record: GroupRecord): void => {
      encoder.noteArguments(record)
      const group = encodeRecord(encoder, record)
      if (group) groups.add(group)
    }
    await eachInSlices(records, encode, this.signal)
    noteEncoding(encoder, this.desk, title)
    if (groups.length > 0) return groups
    throw new PlumbError(
      'PLUMB_DATA_EMPTY',
      `No reference chain of ${title} fits into the model's context of ${this.model.contextLength} tokens, or what lengths allows of it.`,
    )
  }
}

function encodeRecord(encoder: Encoder, record: GroupRecord): TrainingGroup | undefined {
  const examples = record.candidates.flatMap((candidate) => (candidate.reference ? (encoder.example(record, candidate) ?? []) : []))
  const [first] = examples
  if (first === undefined) return undefined
  const completions = examples.map(({ completion }) => completion)
  return referenceGroup(record.id, first.prompt, completions)
}

export function referenceGroup(id: string, prompt: readonly number[], completions: readonly (readonly number[])[]): TrainingGroup {
  return {
    id,
    role: 'sft',
    prompt,
    completions,
    k: completions.length,
    lengths: completions.map(({ length }) => length),
    positive: completions.map(() => true),
    rewards: completions.map(() => 1),
    reference: completions.map(() => true),
  }
}

/** Says what encoding left out, repaired or may have got otherwise than meant. */
export function noteEncoding(
  encoder: Encoder,
  desk: StageDesk,
  title: string,
  what: 'reference chain' | 'candidate' = 'reference chain',
): void {
  for (const { level, message } of encodingNotices(encoder, title, what)) desk.notice(level, message)
}
