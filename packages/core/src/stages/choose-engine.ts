import path from 'node:path'
import type { ResolvedConfig } from '../config/resolve'
import { chooseBackend } from '../plugins/choose-backend'
import { DEVICE_FILE, hasStageOn, kindOf, rememberDevice, rememberedDevice, type ChosenFor, type DeviceChoice } from '../run/device-choice'
import { readText } from '../run/files'
import { hashJson } from '../run/hash'
import type { BackendProbe, DeviceUse, DeviceVerdict, ModelSource } from '../seams/policy'
import { interrupted } from '../train/loop'
import { CORE_VERSION } from '../version'
import type { ChosenEngine } from './context'
import { longestOf } from './memory'
import { baseOf, modelSource } from './model-source'
import { planOf } from './training-plan'

export interface EngineChoiceOptions {
  /**
   * How `backend: auto` settles on a device that is only taken where it is faster. `run`: what the run folder remembers, else what is
   * measured, which is remembered. `forecast`: the same, and nothing is written. `ask`: what is remembered, to compute what is not
   * written there. `look`: what is remembered, and nothing is opened.
   */
  readonly purpose: 'run' | 'forecast' | 'ask' | 'look'
  readonly signal?: AbortSignal
}

export interface EngineChoice {
  readonly engine: ChosenEngine
  /** One line: what was taken, why not the others, and what else can be asked for. */
  readonly notice: string
  /** Of that line what was measured or remembered of devices; absent where nothing was. */
  readonly said?: string
}

/** The engine of whatever computes or looks at a run: {@link chooseBackend}, and for `backend: auto` the device. */
export async function chooseEngine(resolved: ResolvedConfig, options: EngineChoiceOptions): Promise<EngineChoice> {
  const { candidates, name } = resolved.backend
  const { backend, probe, notice } = await chooseBackend(candidates.map(({ made }) => made))
  const candidate = candidates.find(({ made }) => made === backend)
  if (candidate === undefined) throw new Error('a backend that is no candidate was chosen')
  const engine: ChosenEngine = { ...candidate, probe }
  const choice = { engine, notice }
  if (name !== 'auto' || probe.accelerated === true || candidate.open.device !== undefined || backend.fasterDevice === undefined)
    return choice
  // what is wrong with the model is said by who reads it
  const source = await modelSource(resolved.config.model).catch(() => undefined)
  const shape = source && (await shapeOf(source))
  if (source === undefined || shape === undefined) return choice
  const settled = await new DeviceQuestion(resolved, engine, source, shape, options).answer()
  if (options.signal?.aborted) throw interrupted('the choice of a device', options.signal.reason)
  if (settled === undefined) return choice
  const { said, on, isOther = false } = settled
  if (said === undefined) return { engine: on, notice }
  // Of a device that was taken it says itself what else there is.
  return { engine: on, notice: `${isOther ? `Backend ${backend.name}` : notice}; ${said}`, said: `backend auto: ${said}` }
}

interface Settled {
  readonly on: ChosenEngine
  readonly isOther?: boolean
  /** Absent where it is what one expects. */
  readonly said?: string
}

/** Whether a run computes on another device of the backend that was chosen. */
class DeviceQuestion {
  private readonly what: ChosenFor
  private readonly run: string

  constructor(
    private readonly resolved: ResolvedConfig,
    private readonly engine: ChosenEngine,
    private readonly model: ModelSource,
    shape: string,
    private readonly options: EngineChoiceOptions,
  ) {
    const { name, identity, code } = engine
    this.run = resolved.config.run
    const { sft, align } = resolved.config
    const moments = [sft, ...align].find((section) => section.moments === 'bfloat16')?.moments
    this.what = { backend: name, options: identity.options, code: { '@plumbline/core': CORE_VERSION, ...code }, model: shape, moments }
  }

  /** Undefined where there is nothing to say: the engine is as it was. */
  async answer(): Promise<Settled | undefined> {
    const remembered = await rememberedDevice(this.run, this.what)
    const { purpose } = this.options
    if (purpose === 'look' || purpose === 'ask') return remembered?.isOther ? this.of(remembered) : undefined
    if (remembered !== undefined) return this.goOn(remembered)
    const { name, probe } = this.engine
    if (await hasStageOn(this.run, name, kindOf(probe))) {
      if (probe.alternative === undefined) return undefined
      return { on: this.engine, said: `${probe.device}: the run folder has stages that were computed there, and nothing was measured` }
    }
    return this.measured(await this.ask(false))
  }

  private async goOn(remembered: DeviceChoice): Promise<Settled | undefined> {
    const { device, found, isOther } = remembered
    const keeps = `as ${DEVICE_FILE} in the run folder has it from before (${found})`
    if (!isOther) return { on: this.engine, said: `${this.engine.probe.device}, ${keeps}; without that file it is measured again` }
    const verdict = await this.ask(true)
    if (verdict.outcome === 'unasked') return undefined
    const gone = `${device}, which ${DEVICE_FILE} in the run folder has from before, is not here now`
    if (verdict.outcome !== 'faster') {
      const said = `${gone} (${verdict.found}); ${this.engine.probe.device} is taken`
      await this.remember(this.engine.probe, `${gone}: ${verdict.found}`, false)
      return { on: this.engine, said }
    }
    const { probe } = verdict
    if (probe.device === device) return { ...this.on(verdict), said: `${device}, ${keeps}; ${this.refusal(probe)}` }
    // Stages are known by the kind of their device: what is there goes on on another one of that kind.
    if (await hasStageOn(this.run, this.engine.name, kindOf(probe))) {
      const said = `${gone}; ${probe.device} is taken unmeasured, for which the stages in the run folder are as good; ${this.refusal(probe)}`
      return { ...this.on(verdict), said }
    }
    const anew = await this.ask(false)
    if (anew.outcome === 'failed') await this.remember(this.engine.probe, anew.found, false)
    const settled = await this.measured(anew)
    return settled && { ...settled, said: `${gone}; ${settled.said ?? ''}` }
  }

  /** For who runs nothing: stages are known by the kind of device that made them, whether or not it is here now. */
  private async of({ device, kind }: DeviceChoice): Promise<Settled | undefined> {
    const known: ChosenEngine = { ...this.engine, probe: { ...this.engine.probe, kind } }
    if (this.options.purpose === 'look') return { on: known }
    const verdict = await this.ask(true)
    if (verdict.outcome === 'faster') return this.on(verdict)
    if (verdict.outcome === 'unasked') return undefined
    const { probe } = this.engine
    const said = `the run was computed on ${device}, which is not here now (${verdict.found}); ${probe.device} is taken`
    return { on: known, said }
  }

  private async measured(verdict: DeviceVerdict): Promise<Settled | undefined> {
    const { probe } = this.engine
    switch (verdict.outcome) {
      case 'unasked':
        return undefined
      case 'failed':
        return { on: this.engine, said: `${probe.device} is taken: ${verdict.found}` }
      case 'slower':
        await this.remember(probe, verdict.found, false)
        return { on: this.engine, said: `${probe.device} is taken: ${verdict.found}` }
      case 'faster':
        await this.remember(verdict.probe, verdict.found, true)
        return { ...this.on(verdict), said: `${verdict.probe.device} is taken: ${verdict.found}; ${this.refusal(verdict.probe)}` }
    }
  }

  private on({ backend, probe }: Extract<DeviceVerdict, { readonly outcome: 'faster' }>): Pick<Settled, 'on' | 'isOther'> {
    return { on: { ...this.engine, made: backend, probe }, isOther: true }
  }

  /** What to write to have either without being measured. */
  private refusal(probe: BackendProbe): string {
    const named = (kind: string) => `backend: { name: ${this.engine.name}, device: ${kind} }`
    return `${named(kindOf(probe))} always takes it, ${named(kindOf(this.engine.probe))} never`
  }

  private async remember(probe: BackendProbe, found: string, isOther: boolean): Promise<void> {
    if (this.options.purpose !== 'run' || this.options.signal?.aborted) return
    await rememberDevice(this.run, { for: this.what, kind: kindOf(probe), device: probe.device, found, isOther })
  }

  private async ask(isKnownFaster: boolean): Promise<DeviceVerdict> {
    const { sft, align, seed, lengths, sample, evaluate } = this.resolved.config
    const plans = [sft, ...align].map((section) => planOf(section, '', seed)).filter(({ isIdle }) => !isIdle)
    const use: DeviceUse = {
      plans: plans.map(({ freeze, moments, lora }) => ({ freeze, moments, lora })),
      longest: longestOf(lengths, Math.max(sample.maxNewTokens, evaluate.maxNewTokens)),
      isKnownFaster,
      signal: this.options.signal,
    }
    return (await this.engine.made.fasterDevice?.(this.model, use)) ?? { outcome: 'unasked' }
  }
}

/** What the time of a step depends on of a model: its dimensions, and no weight. Undefined where they cannot be read. */
async function shapeOf(source: ModelSource): Promise<string | undefined> {
  const base = baseOf(source)
  if (base.kind === 'scratch') return hashJson(base.architecture)
  try {
    const text = await readText(path.join(base.path, 'config.json'))
    return text === undefined ? undefined : hashJson(JSON.parse(text))
  } catch {
    return undefined
  }
}
