import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  randomStreams,
  type AdamWOptions,
  type Backend,
  type Generation,
  type GenerationPrompt,
  type ModelSource,
  type Objective,
  type OpenOptions,
  type Policy,
  type Sampling,
  type TokenGroup,
} from '@plumbline/core'
import { contractCheck, type Check } from '../check'

/** What the suite is told about a backend. */
export interface BackendSubject {
  readonly factory: () => Backend | Promise<Backend>
  /** A small model (the suite opens it dozens of times), of a vocabulary of at most a few thousand tokens. */
  readonly model: ModelSource
  readonly open?: OpenOptions
}

/** What a check works with; everything it opens is disposed after it. */
export interface Bench {
  readonly backend: Backend
  readonly model: ModelSource
  readonly policy: Policy
  /** Four questions of one to four candidates, always the same ones. */
  readonly groups: readonly TokenGroup[]
  open(model: ModelSource): Promise<Policy>
  /** A path where nothing is yet, in a folder of its own. */
  folder(): Promise<string>
}

export function backendCheck(id: string, contract: string, problem: (bench: Bench) => Promise<string | undefined>): Check<BackendSubject> {
  return contractCheck(id, contract, async ({ factory, model, open: options }) => {
    const backend = await factory()
    const folders: string[] = []
    const policies: Policy[] = []
    const open = async (source: ModelSource) => {
      policies.push(await backend.open(source, options))
      return policies.at(-1)!
    }
    try {
      const policy = await open(model)
      const folder = async () => {
        folders.push(await mkdtemp(join(tmpdir(), 'plumbline-conformance-')))
        return join(folders.at(-1)!, 'saved')
      }
      return await problem({ backend, model, policy, groups: tokenGroups(policy.info.vocabularySize), open, folder })
    } finally {
      for (const policy of policies) await policy.dispose()
      for (const folder of folders) await rm(folder, { recursive: true, force: true })
    }
  })
}

function tokenGroups(vocabularySize: number): TokenGroup[] {
  const random = randomStreams(7)('backend groups')
  const tokens = (n: number) => Array.from({ length: n }, () => Math.floor(random() * vocabularySize))
  return [
    { id: 'g0', prompt: tokens(3), completions: [tokens(4), tokens(1), tokens(6)] },
    { id: 'g1', prompt: tokens(7), completions: [tokens(2)] },
    { id: 'g2', prompt: tokens(1), completions: [tokens(5), tokens(5)] },
    { id: 'g3', prompt: tokens(4), completions: [tokens(1), tokens(3), tokens(2), tokens(8)] },
  ]
}

/** Σ over groups and candidates of weight · log-prob: a loss whose cotangents are known. */
export function weightedSum(weight: (group: number, candidate: number) => number): Objective {
  return (batch) => {
    let loss = 0
    const cotangents = batch.map(({ index, tokenLogProbs }) =>
      tokenLogProbs.map((logProbs, c) => {
        loss += weight(index, c) * sum(logProbs ?? [])
        return logProbs ? weight(index, c) : 0
      }),
    )
    return { loss, cotangents }
  }
}

/** Weights of mixed sign and size, none of them 0. */
export const mixed = (group: number, candidate: number) => 0.1 * (candidate % 2 === 0 ? -1 : 0.7) * (1 + 0.3 * group + 0.2 * candidate)

/** AdamW with an epsilon so large that it becomes plain descent: θ ← θ − rate · gradient. */
export function descent(rate: number): AdamWOptions {
  const epsilon = 1e4
  return { learningRate: rate * epsilon, betas: [0, 0], epsilon, weightDecay: 0 }
}

export const adam: AdamWOptions = { learningRate: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 }

export const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0)

/** Every log-probability of every completion, in one list. */
export async function allLogProbs(policy: Pick<Policy, 'logProbs'>, groups: readonly TokenGroup[]): Promise<number[]> {
  return (await policy.logProbs(groups)).flatMap((group) => group.flatMap((logProbs) => [...(logProbs ?? [])]))
}

/** Log-probabilities of every token of the vocabulary after a prompt. */
export async function nextToken(policy: Policy, prompt: readonly number[]): Promise<number[]> {
  const completions = Array.from({ length: policy.info.vocabularySize }, (_, token) => [token])
  return allLogProbs(policy, [{ id: 'next', prompt, completions }])
}

export async function generate(
  policy: Policy,
  prompts: readonly GenerationPrompt[],
  sampling: Partial<Sampling> = {},
): Promise<Generation[]> {
  const list: Generation[] = []
  for await (const generation of policy.generate(prompts, { seed: 5, temperature: 1, maxNewTokens: 5, ...sampling })) list.push(generation)
  return list.sort((a, b) => a.id.localeCompare(b.id) || a.candidate - b.candidate)
}

/** The first two numbers that differ by more than `tolerance`, in words. */
export function differ(before: readonly number[], after: readonly number[], tolerance: number): string | undefined {
  if (before.length !== after.length) return `${before.length} numbers became ${after.length}`
  const at = before.findIndex((value, n) => !(Math.abs(value - after[n]!) <= tolerance * Math.max(1, Math.abs(value))))
  return at < 0 ? undefined : `log-probability ${at} is ${after[at]} instead of ${before[at]}`
}

/** What a promise rejects with; undefined when it does not. */
export async function rejection(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    return error
  }
}
