import { isPlumbError, type BackendProbe, type DeviceUse, type ModelSource } from '@plumbline/core/base'
import { inspectModel, loadModelConfig, parameterCount, type ModelConfig } from '@plumbline/transformer'
import { BYTES_PER_PARAMETER, machineBytes, SMALL_MODEL } from '../memory-plan'
import type { OnnxOptions } from '../options'
import { sentence, TRIAL_LIMITS, tryDevices, within, type TrialDevices, type TrialLimits } from './faster'
import { FLOAT, MOST_BOUND } from './limits'
import { mayHaveGpu } from './presence'
import { deviceProbe, probeDevice } from './probe'
import { gpuRefusal } from './refusal'
import { trialDevices, type TrialModel } from './trial'

/** What `backend: auto` sees of the machine's GPU; tests bring their own. */
export interface Gpu {
  /** Whether the system looks as if it had one. */
  mayBeHere(): boolean
  /** Opens it, and closes it. An abort ends that, whatever it is at. */
  probe(signal: AbortSignal): Promise<BackendProbe>
  devices(trial: TrialModel): TrialDevices
  readonly limits?: TrialLimits
}

export const thisGpu: Gpu = {
  mayBeHere: mayHaveGpu,
  probe: (signal) => probeDevice('', signal),
  devices: trialDevices,
}

type GpuVerdict =
  | { readonly outcome: 'faster'; readonly probe: BackendProbe; readonly found: string }
  | { readonly outcome: 'slower' | 'failed'; readonly found: string }
  | { readonly outcome: 'unasked' }

const UNASKED: GpuVerdict = { outcome: 'unasked' }

/** `Backend.fasterDevice` of a backend with these options. */
export async function fasterGpu(gpu: Gpu, source: ModelSource, options: OnnxOptions, use: DeviceUse): Promise<GpuVerdict> {
  const { device, engines, threads } = options
  // What the CPU alone is asked for, and what a GPU refuses.
  const isForCpu = [device, engines, threads].some((asked) => asked !== undefined) || gpuRefusal(options) !== undefined
  if (isForCpu || use.plans.some(({ moments }) => moments === 'bfloat16')) return UNASKED
  if (use.isKnownFaster) return again(gpu, use.signal)
  if (!gpu.mayBeHere()) return UNASKED
  const model = await dimensions(source)
  if (model === undefined || !isWorthTrying(model.config, use)) return UNASKED
  const trial = { source, ...model, plans: use.plans, options }
  const { outcome, name, found } = await tryDevices(gpu.devices(trial), gpu.limits, use.signal)
  return outcome === 'faster' ? { outcome, probe: deviceProbe(name, true), found } : { outcome, found }
}

/** The GPU that was faster before, opened to see whether it is still there. */
async function again(gpu: Gpu, signal: AbortSignal | undefined): Promise<GpuVerdict> {
  if (!gpu.mayBeHere()) return { outcome: 'failed', found: 'no GPU is seen' }
  const { ready } = gpu.limits ?? TRIAL_LIMITS
  const end = new AbortController()
  try {
    const probe = await within(ready, signal, () => gpu.probe(end.signal))
    if (probe.usable && probe.accelerated) return { outcome: 'faster', probe, found: 'it is here' }
    return { outcome: 'failed', found: probe.detail.replace(/\.$/, '') }
  } catch (error) {
    return { outcome: 'failed', found: sentence(error) }
  } finally {
    end.abort()
  }
}

/** Undefined for a model that cannot be read: what is wrong with it is said by who opens it. */
async function dimensions(source: ModelSource): Promise<Pick<TrialModel, 'config' | 'tokenizer'> | undefined> {
  try {
    const { tokenizer } = await inspectModel(source)
    return { tokenizer, config: await loadModelConfig(source, tokenizer) }
  } catch (error) {
    if (isPlumbError(error)) return undefined
    throw error
  }
}

/**
 * Whether a GPU may win, and can hold the run: a small model's steps take no longer than a GPU is told of them; of what does not fit the
 * machine's memory, a GPU of its own has less still, and a shared one no more.
 */
function isWorthTrying(config: ModelConfig, { plans, longest = 0 }: DeviceUse): boolean {
  const parameters = parameterCount(config)
  const bytes = plans.every(({ lora }) => lora !== undefined) ? FLOAT : BYTES_PER_PARAMETER
  return parameters > SMALL_MODEL && bytes * parameters <= machineBytes() && config.heads * longest ** 2 < MOST_BOUND
}
