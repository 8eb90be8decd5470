/** How much faster than the CPU a device must be to be taken: less is lost again to what was not measured. */
export const CLEARLY = 1.5

/** Milliseconds that a device may take in a trial. */
export interface TrialLimits {
  /** To open, to hold the cut model, and for the first step, which compiles. */
  readonly ready: number
  /** For the step that is measured. */
  readonly step: number
}

export const TRIAL_LIMITS: TrialLimits = { ready: 10_000, step: 2000 }

/** A device that holds a model to try it with. */
export interface Contender {
  /** By its own name. */
  readonly name: string
  /** One training step, done when it resolves. */
  step(): Promise<void>
}

/** Where a trial's devices come from; tests bring their own. */
export interface TrialDevices {
  /** Opens the GPU. Rejects where there is none but in software. An abort ends it, whatever it is at. */
  gpu(signal: AbortSignal): Promise<Contender>
  cpu(signal: AbortSignal): Promise<Contender>
  /** Milliseconds, from any moment on. */
  now(): number
}

export interface TrialVerdict {
  readonly outcome: 'faster' | 'slower' | 'failed'
  /** The GPU by its own name, where it was opened. */
  readonly name: string
  /** A clause for people. */
  readonly found: string
}

/**
 * Whether the GPU does the second of two training steps clearly faster than the CPU. The GPU goes first, so that one that does not work
 * costs nothing more; what does not answer in time is ended and counts as slower. An abort of `signal` is the failure of whatever it met.
 */
export async function tryDevices(devices: TrialDevices, limits: TrialLimits = TRIAL_LIMITS, signal?: AbortSignal): Promise<TrialVerdict> {
  let gpu: Timed
  try {
    gpu = await timed((stop) => devices.gpu(stop), devices, limits, signal)
  } catch (error) {
    return { outcome: 'failed', name: '', found: `WebGPU could not be measured: ${sentence(error)}` }
  }
  const { name } = gpu
  if (gpu.ms === undefined) {
    return { outcome: 'slower', name, found: `${name} did not do a training step of this model's shape within ${seconds(limits.step)}` }
  }
  // Long enough to tell that the GPU wins.
  const patience = { ...limits, step: CLEARLY * limits.step }
  let cpu: Timed
  try {
    cpu = await timed((stop) => devices.cpu(stop), devices, patience, signal)
  } catch (error) {
    return { outcome: 'failed', name, found: `the CPU could not be measured beside WebGPU: ${sentence(error)}` }
  }
  const ms = cpu.ms ?? patience.step
  const outcome = ms >= CLEARLY * gpu.ms ? 'faster' : 'slower'
  const than = cpu.ms === undefined ? `more than ${seconds(ms)}` : shown(ms)
  const found =
    `a training step of this model's shape, cut to few layers, took ${shown(gpu.ms)} on ${name} and ${than} on the CPU` +
    (outcome === 'slower' ? `, and only ${CLEARLY} times as fast is clearly faster` : '')
  return { outcome, name, found }
}

interface Timed {
  readonly name: string
  /** Of the second step; undefined where it took too long. */
  readonly ms: number | undefined
}

async function timed(
  open: (stop: AbortSignal) => Promise<Contender>,
  { now }: Pick<TrialDevices, 'now'>,
  limits: TrialLimits,
  signal: AbortSignal | undefined,
): Promise<Timed> {
  const end = new AbortController()
  try {
    const { name, step } = await within(limits.ready, signal, async () => {
      const contender = await open(end.signal)
      await contender.step()
      return contender
    })
    const started = now()
    const isDone = await within(limits.step, signal, step).then(
      () => true,
      (error: unknown) => {
        if (error instanceof TooLong) return false
        throw error
      },
    )
    const ms = now() - started
    return { name, ms: isDone && ms <= limits.step ? ms : undefined }
  } finally {
    end.abort()
  }
}

class TooLong extends Error {
  constructor(ms: number) {
    super(`it was not ready within ${seconds(ms)}`)
  }
}

/** What `work` gives, in time. @throws TooLong; the signal's reason */
export async function within<T>(ms: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  let onAbort: (() => void) | undefined
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooLong(ms)), ms)
    onAbort = () => reject(signal?.reason as Error)
    signal?.addEventListener('abort', onAbort)
  })
  try {
    const working = work()
    // What fails after its time is nobody's any more.
    working.catch(() => undefined)
    return await Promise.race([working, ended])
  } finally {
    clearTimeout(timer)
    if (onAbort) signal?.removeEventListener('abort', onAbort)
  }
}

/** The first line of what went wrong, without its full stop. */
export const sentence = (error: unknown) => ((error as Error).message.split('\n')[0] ?? '').replace(/\.$/, '')
const shown = (ms: number) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`)
const seconds = (ms: number) => `${ms / 1000} s`
