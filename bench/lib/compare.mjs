// From the raw runs of one job to its figures.
import { median } from './measure.mjs'

/** Losses of the two sides must be this close, step by step, relative: same weights, same data, same optimizer. */
export const LOSS_TOLERANCE = 1e-3

/** Largest relative difference of the losses over the steps both logged; undefined where the peer logs none. */
export const largestLossDifference = (ours, theirs) => largestDifference(ours, theirs, 'loss', 'loss')

/** The same of the norm of all gradients. */
export const largestNormDifference = (ours, theirs) => largestDifference(ours, theirs, 'gradNorm', 'grad_norm')

function largestDifference(ours, theirs, name, peerName) {
  const differences = ours.steps.flatMap(({ step, [name]: own }) => {
    const other = theirs.steps.find((candidate) => candidate.step === step)?.[peerName]
    return other === undefined ? [] : [Math.abs(own - other) / Math.max(Math.abs(other), 1e-12)]
  })
  return differences.length ? Math.max(...differences) : undefined
}

/** Medians over the steps after the warm-up of all rounds; each side took the same steps. */
export function alignFigures(runs, warmup) {
  const steps = runs.flatMap((run) => run.steps.filter(({ step }) => step >= warmup))
  return {
    seconds: median(steps.map(({ seconds }) => seconds)),
    seconds_each: steps.map(({ step, seconds }) => [step, seconds]),
    othersCores: median(steps.map((step) => step.othersCores ?? step.others_cores ?? 0)),
    peakRssMiB: Math.max(...runs.map(peak)),
  }
}

/** Other processes used more than this many cores: the step does not say how fast its program is. */
const DISTURBED = 0.1

/**
 * The steps that both sides took undisturbed, where those are at least half of all; otherwise all. Steps differ in size, so a
 * step that one side lost to other work is dropped on both.
 */
export function undisturbed(ours, theirs, warmup) {
  const isQuiet = (step) => (step.othersCores ?? step.others_cores ?? 0) <= DISTURBED
  const pairs = ours.flatMap((run, round) =>
    run.steps
      .filter(({ step }) => step >= warmup)
      .map((own) => ({ own, other: theirs[round].steps.find(({ step }) => step === own.step) }))
      .filter(({ other }) => other),
  )
  const quiet = pairs.filter(({ own, other }) => isQuiet(own) && isQuiet(other))
  const isQuietEnough = 2 * quiet.length >= pairs.length
  const used = isQuietEnough ? quiet : pairs
  return {
    ours: median(used.map(({ own }) => own.seconds)),
    theirs: median(used.map(({ other }) => other.seconds)),
    // Processor time of all threads: less sensitive to other work than the clock, not indifferent to it.
    cpuSeconds: { ours: median(used.map(({ own }) => own.cpuSeconds)), theirs: median(used.map(({ other }) => other.cpu_seconds)) },
    othersCores: isQuietEnough ? undefined : median(used.flatMap(({ own, other }) => [own.othersCores, other.others_cores])),
    used: used.length,
    of: pairs.length,
  }
}

/**
 * The peer's time over ours. Of one thread a side that had to share the machine processor times are compared: how often it had a core
 * says nothing of a program. Several threads spin while they wait for one another, so of those the clock counts all the same.
 */
export function timesAsFast({ ours, theirs, cpuSeconds, othersCores }, threads) {
  return othersCores !== undefined && threads === '1' ? cpuSeconds.theirs / cpuSeconds.ours : theirs / ours
}

export function sampleFigures(runs) {
  const timed = runs.flatMap((run) => run.runs.filter(({ warmup }) => !warmup))
  return {
    tokensPerSecond: median(timed.map((run) => run.tokensPerSecond ?? run.tokens_per_s)),
    othersCores: median(timed.map((run) => run.othersCores ?? run.others_cores ?? 0)),
    peakRssMiB: Math.max(...runs.map(peak)),
  }
}

const peak = (run) => run.peakRssMiB ?? run.summary.peak_rss_mib
