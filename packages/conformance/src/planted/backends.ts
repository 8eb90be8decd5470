import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, Generation, Objective, Policy, TokenLogProbs } from '@plumbline/core'

/** A way to break a sound backend, and the check that must say so. */
export interface PlantedBackend {
  readonly name: string
  readonly caughtBy: string
  readonly around: (sound: Backend) => Backend
}

/** The sound policy with some methods replaced. */
function planted(name: string, caughtBy: string, broken: (sound: Policy) => Partial<Policy>): PlantedBackend {
  return {
    name,
    caughtBy,
    around: (backend) => ({
      name,
      probe: () => backend.probe(),
      open: async (model, options) => overriding(await backend.open(model, options), broken),
    }),
  }
}

function overriding(sound: Policy, broken: (sound: Policy) => Partial<Policy>): Policy {
  const replaced: Partial<Policy> = broken(sound)
  return new Proxy(sound, {
    get(target, key) {
      const value: unknown = Reflect.get(key in replaced ? replaced : target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The objective with its cotangents changed on their way to the backend. */
function withCotangents(objective: Objective, change: (cotangent: number | Float32Array) => number | Float32Array): Objective {
  return (batch) => {
    const result = objective(batch)
    return { ...result, cotangents: result.cotangents.map((group) => group.map(change)) }
  }
}

const scaled = (by: number) => (cotangent: number | Float32Array) =>
  typeof cotangent === 'number' ? cotangent * by : cotangent.map((d) => d * by)

function changing(change: (logProbs: Float32Array, c: number) => TokenLogProbs) {
  return (sound: Policy): Partial<Policy> => ({
    logProbs: async (groups) => (await sound.logProbs(groups)).map((group) => group.map((logProbs, c) => logProbs && change(logProbs, c))),
  })
}

function generating(
  change: (generation: Generation, n: number) => Generation | undefined,
  reseed: (seed: number, prompts: number) => number = (seed) => seed,
) {
  return (sound: Policy): Partial<Policy> => ({
    async *generate(prompts, sampling, options) {
      let n = 0
      for await (const generation of sound.generate(prompts, { ...sampling, seed: reseed(sampling.seed, prompts.length) }, options)) {
        const changed = change(generation, n++)
        if (changed) yield changed
      }
    },
  })
}

const gradient = 'backend/gradient-matches-finite-differences'

export const plantedBackends: readonly PlantedBackend[] = [
  {
    name: 'says-nothing',
    caughtBy: 'backend/probe-says-what-it-would-use',
    around: (backend) => ({
      name: 'says-nothing',
      open: (model, options) => backend.open(model, options),
      probe: async () => ({ usable: true, device: '', detail: '' }),
    }),
  },
  {
    name: 'inspects-another-length',
    caughtBy: 'backend/inspects-what-it-opens',
    around: (backend) => ({
      name: 'inspects-another-length',
      probe: () => backend.probe(),
      open: (model, options) => backend.open(model, options),
      inspect: async (model) => {
        const policy = await backend.open(model)
        await policy.dispose()
        return { tokenizer: policy.tokenizer, contextLength: policy.info.contextLength + 1 }
      },
    }),
  },
  planted(
    'one-short',
    'backend/log-probs-fit-the-completions',
    changing((logProbs) => logProbs.slice(1)),
  ),
  planted(
    'not-normalised',
    'backend/log-probs-are-of-a-distribution',
    changing((logProbs) => logProbs.map((l) => l - 0.1)),
  ),
  planted(
    'positions-go-on',
    'backend/candidates-do-not-see-each-other',
    changing((logProbs, c) => logProbs.map((l) => l * (1 + 0.01 * c))),
  ),
  planted(
    'looks-ahead',
    'backend/earlier-tokens-do-not-see-later-ones',
    changing((logProbs) => logProbs.map((l) => l * (1 + 0.01 * logProbs.length))),
  ),

  planted('norm-too-large', gradient, (sound) => ({
    optimStep: async (options) => ({ gradNorm: (await sound.optimStep(options)).gradNorm * 1.05 }),
  })),
  planted('first-cotangent-for-all-tokens', gradient, (sound) => ({
    forwardBackward: (groups, objective, options) =>
      sound.forwardBackward(
        groups,
        withCotangents(objective, (d) => (typeof d === 'number' ? d : d.map((_, t) => d[Math.max(0, t - 1)]!))),
        options,
      ),
  })),
  planted('averages-each-call', 'backend/gradients-add-up', (sound) => ({
    forwardBackward: (groups, objective, options) =>
      sound.forwardBackward(groups, withCotangents(objective, scaled(1 / groups.length)), options),
  })),
  planted('reports-the-mean', 'backend/reports-the-loss', (sound) => ({
    forwardBackward: async (groups, objective, options) => {
      const report = await sound.forwardBackward(groups, objective, options)
      return { ...report, loss: report.loss / groups.length }
    },
  })),
  planted('ignores-needed', 'backend/no-cotangent-no-gradient', (sound) => ({
    forwardBackward: (groups, objective, options) =>
      sound.forwardBackward(
        groups.map((group) => ({ ...group, needed: undefined })),
        withCotangents(objective, (d) => (d === 0 ? 0.1 : d)),
        options,
      ),
  })),
  planted('keeps-the-gradients', 'backend/a-step-clears-the-gradients', (sound) => {
    let last = 0
    return {
      optimStep: async (options) => {
        const { gradNorm } = await sound.optimStep(options)
        return { gradNorm: (last = gradNorm || last) }
      },
    }
  }),
  planted('never-clips', 'backend/clips-to-the-norm', (sound) => ({
    optimStep: (options) => sound.optimStep({ ...options, maxGradNorm: undefined }),
  })),
  {
    name: 'freezes-nothing',
    caughtBy: 'backend/freezes-what-it-is-told',
    around: (backend) => ({
      name: 'freezes-nothing',
      probe: () => backend.probe(),
      inspect: (model) => backend.inspect!(model),
      open: async (model, options) =>
        overriding(await backend.open(model, options), (sound) => ({ prepareTraining: () => sound.prepareTraining!({}) })),
    }),
  },
  planted('steps-at-once', 'backend/only-a-step-changes-the-weights', (sound) => ({
    forwardBackward: async (groups, objective, options) => {
      const report = await sound.forwardBackward(groups, objective, options)
      await sound.optimStep({ learningRate: 1e-3, betas: [0, 0], epsilon: 1, weightDecay: 0 })
      return report
    },
  })),
  planted('trains-on-nan', 'backend/refuses-a-loss-that-is-not-finite', (sound) => ({
    forwardBackward: (groups, objective, options) =>
      sound.forwardBackward(
        groups,
        (batch) => {
          const result = objective(batch)
          return { ...result, loss: Number.isFinite(result.loss) ? result.loss : 0 }
        },
        options,
      ),
  })),
  planted('deaf-to-aborts', 'backend/answers-an-abort', (sound) => ({
    forwardBackward: (groups, objective) => sound.forwardBackward(groups, objective),
  })),

  planted('forgets-to-load', 'backend/state-continues-bit-for-bit', () => ({ loadState: async () => undefined })),
  planted('saves-the-first-weights', 'backend/weights-can-be-opened-again', (sound) => {
    let first: Promise<unknown> | undefined
    let folder = ''
    return {
      optimStep: async (options) => {
        folder ||= await mkdtemp(join(tmpdir(), 'plumbline-planted-'))
        first ??= sound.saveWeights(folder)
        await first
        return sound.optimStep(options)
      },
      saveWeights: async (to) => {
        await cp(folder, to, { recursive: true })
        await rm(folder, { recursive: true })
      },
    }
  }),
  planted('live-snapshot', 'backend/a-snapshot-is-frozen', (sound) => ({
    snapshot: async () => ({ info: sound.info, logProbs: (groups) => sound.logProbs(groups), dispose: async () => undefined }),
  })),

  planted(
    'skips-one',
    'backend/generates-each-candidate-once',
    generating((generation, n) => (n === 1 ? undefined : generation)),
  ),
  planted(
    'seed-from-the-batch',
    'backend/sampling-does-not-depend-on-batching',
    generating(
      (generation) => generation,
      (seed, prompts) => seed + prompts,
    ),
  ),
  planted('one-stream-for-all', 'backend/candidates-differ', (sound) => ({
    async *generate(prompts, sampling, options) {
      for (const prompt of prompts) {
        for (const candidate of prompt.candidates) {
          for await (const generation of sound.generate([{ ...prompt, candidates: [0] }], sampling, options))
            yield { ...generation, candidate }
        }
      }
    },
  })),
  planted('greedy-is-warm', 'backend/greedy-takes-the-likeliest', (sound) => ({
    generate: (prompts, sampling, options) => sound.generate(prompts, { ...sampling, temperature: sampling.temperature || 2 }, options),
  })),
  planted('temperature-inverted', 'backend/samples-from-its-distribution', (sound) => ({
    generate: (prompts, sampling, options) => sound.generate(prompts, { ...sampling, temperature: 1 / sampling.temperature }, options),
  })),
  planted('ignores-top-k', 'backend/top-k-keeps-the-likeliest', (sound) => ({
    generate: (prompts, sampling, options) => sound.generate(prompts, { ...sampling, topK: 0 }, options),
  })),
  planted('ignores-the-end-tokens', 'backend/stops-at-an-end-token', (sound) => ({
    generate: (prompts, sampling, options) => sound.generate(prompts, { ...sampling, endTokens: [] }, options),
  })),
  planted('keeps-the-stop-string', 'backend/stops-at-a-stop-string', (sound) => ({
    generate: (prompts, sampling, options) => sound.generate(prompts, { ...sampling, stop: [] }, options),
  })),
]
