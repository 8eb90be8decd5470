import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, Backend, LoraPlan, ModelSource, Objective, OpenOptions, Policy, TokenGroup } from '@plumbline/core'
import { readSafetensors } from '@plumbline/transformer'
import { ReferenceLora, tokenizerFiles } from './reference-lora'

/** PEFT's adapters for a tiny Llama, and how PEFT trains them in float64: see `make_adapters.py` there. */
const PEFT = join(__dirname, '../../../transformer/test/fixtures/peft')

interface Case {
  readonly logProbs: readonly number[][][]
  readonly gradients: Readonly<Record<string, string>>
  readonly steps: readonly { readonly loss: number; readonly gradNorm: number }[]
  readonly logProbsAfter: readonly number[][][]
  readonly after: Readonly<Record<string, string>>
}

const { groups, adamW, cases } = JSON.parse(readFileSync(join(PEFT, 'training.json'), 'utf8')) as {
  readonly groups: readonly { readonly prompt: number[]; readonly completions: number[][]; readonly weights: number[] }[]
  readonly adamW: AdamWOptions
  readonly cases: Readonly<Record<string, Case>>
}

const QV = ['q_proj', 'v_proj']
const plan = { rslora: false, dropout: 0, targetModules: 'all-linear', seed: 3 } as const
const plans: Readonly<Record<string, LoraPlan>> = {
  'all-linear': { ...plan, rank: 4, alpha: 8 },
  'all-linear-rslora': { ...plan, rank: 3, alpha: 5, rslora: true },
  'q-v': { ...plan, rank: 4, alpha: 8, targetModules: QV },
  'q-v-rslora': { ...plan, rank: 2, alpha: 3, rslora: true, targetModules: QV },
}

type Trainee = Pick<Policy, 'logProbs' | 'optimStep' | 'saveState' | 'loadState' | 'dispose'> & {
  forwardBackward(groups: readonly TokenGroup[], objective: Objective): Promise<{ readonly loss: number }>
  saveAdapter(folder: string): Promise<void>
}

const folder = mkdtempSync(join(tmpdir(), 'plumbline-lora-'))
afterAll(() => rmSync(folder, { recursive: true }))
const base = join(folder, 'base')
cpSync(join(PEFT, 'base'), base, { recursive: true })
for (const [name, text] of tokenizerFiles(24)) writeFileSync(join(base, name), text)

const onBase = (name: string): ModelSource => ({ kind: 'adapter', base: { kind: 'folder', path: base }, path: join(PEFT, name) })

const tokenGroups = (indices: readonly number[]): TokenGroup[] =>
  indices.map((g) => ({ id: `g${g}`, prompt: groups[g]!.prompt, completions: groups[g]!.completions }))
const ALL = [0, 1, 2]

/** Σ over groups, completions and tokens of weight · log p. */
const objectiveOf =
  (indices: readonly number[]): Objective =>
  (batch) => {
    const weightsOf = (index: number) => groups[indices[index]!]!.weights
    const parts = batch.flatMap(({ index, tokenLogProbs }) =>
      tokenLogProbs.map((tokens, c) => weightsOf(index)[c]! * tokens!.reduce((sum, l) => sum + l, 0)),
    )
    return { loss: parts.reduce((sum, part) => sum + part, 0), cotangents: batch.map(({ index }) => weightsOf(index)) }
  }

const train = async (trainee: Trainee, step: number, options: AdamWOptions = adamW) => {
  const indices = [step % 3, (step + 1) % 3]
  const { loss } = await trainee.forwardBackward(tokenGroups(indices), objectiveOf(indices))
  const { gradNorm } = await trainee.optimStep(options)
  return { loss, gradNorm }
}

async function expectLogProbs(trainee: Pick<Policy, 'logProbs'>, expected: readonly number[][][], bound: number): Promise<void> {
  const found = await trainee.logProbs(tokenGroups(ALL))
  let compared = 0
  for (const [g, completions] of expected.entries()) {
    for (const [c, tokens] of completions.entries()) {
      for (const [t, value] of tokens.entries()) {
        expect(Math.abs(found[g]![c]![t]! - value)).toBeLessThan(bound)
        compared++
      }
    }
  }
  expect(compared).toBeGreaterThan(20)
}

const decoded = (text: string): Float32Array => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer)

/** Factors by the name that the fixture has for them. */
async function factorsOf(trainee: Trainee): Promise<Map<string, Float32Array>> {
  const target = mkdtempSync(join(folder, 'adapter-'))
  rmSync(target, { recursive: true })
  await trainee.saveAdapter(target)
  const tensors = await readSafetensors(join(target, 'adapter_model.safetensors'))
  return new Map([...tensors].map(([name, { data }]) => [name.replace('base_model.model.', ''), data]))
}

/**
 * An engine's adapters against PEFT.
 * @param withReference also tests the definition itself, which shows that the bounds can be kept.
 */
export function testAgainstPeft(backend: Backend, withReference = false): void {
  describe.each(Object.entries(cases))('a base with the adapter %s, opened', (name, { logProbs }) => {
    it('has the log-probs that PEFT has', async () => {
      const policy = await backend.open(onBase(name))
      await expectLogProbs(policy, logProbs, 1e-5)
      await policy.dispose()
    })
  })

  const openEngine = async (source: ModelSource, lora: LoraPlan, options?: OpenOptions): Promise<Trainee> => {
    const policy = await backend.open(source, options)
    await policy.prepareTraining!({ lora })
    return policy as Policy & Required<Pick<Policy, 'saveAdapter'>>
  }

  const subjects = [
    // It opens a model for every step, so two cases of the four are enough.
    ...(withReference
      ? [
          {
            subject: 'the chain rule on whole weights',
            open: (source: ModelSource, lora: LoraPlan) => ReferenceLora.open(backend, source, { lora }),
            names: ['all-linear-rslora', 'q-v'],
          },
        ]
      : []),
    { subject: `the engine ${backend.name}`, open: openEngine, names: Object.keys(cases) },
  ]

  it('says that it computes adapters', () => expect(backend.lora).toBe(true))

  for (const { subject, open, names } of subjects) {
    describe.each(names)(`${subject}: %s`, (name) => {
      const { gradients, steps, logProbsAfter, after } = cases[name]!

      it('gives every A and B the gradient that PEFT gives it, in float64', async () => {
        const trainee = await open(onBase(name), plans[name]!)
        const before = await factorsOf(trainee)
        await trainee.forwardBackward(tokenGroups(ALL), objectiveOf(ALL))
        // The first step of AdamW is η·g / (|g| + ε): this one is g.
        await trainee.optimStep({ learningRate: 1e6, betas: [0.9, 0.999], epsilon: 1e6, weightDecay: 0 })
        const moved = await factorsOf(trainee)
        expect([...before.keys()].sort()).toEqual(Object.keys(gradients).sort())
        for (const [factor, encoded] of Object.entries(gradients)) {
          const expected = decoded(encoded)
          const scale = Math.max(...expected.map(Math.abs))
          expect(scale).toBeGreaterThan(0)
          const error = Math.max(...expected.map((g, i) => Math.abs(before.get(factor)![i]! - moved.get(factor)![i]! - g))) / scale
          expect({ factor, error, isNear: error < 1e-4 }).toMatchObject({ isNear: true })
        }
        await trainee.dispose()
      })

      it('takes the path of PEFT over 10 steps of AdamW, with clipping and decay', async () => {
        const trainee = await open(onBase(name), plans[name]!)
        for (const [step, expected] of steps.entries()) {
          const { loss, gradNorm } = await train(trainee, step)
          expect(Math.abs(loss - expected.loss)).toBeLessThan(1e-3)
          expect(Math.abs(gradNorm / expected.gradNorm - 1)).toBeLessThan(1e-3)
        }
        await expectLogProbs(trainee, logProbsAfter, 1e-3)
        for (const [factor, data] of await factorsOf(trainee)) {
          const expected = decoded(after[factor]!)
          expect({ factor, error: Math.max(...data.map((value, i) => Math.abs(value - expected[i]!))) < 1e-3 }).toEqual({
            factor,
            error: true,
          })
        }
        await trainee.dispose()
      })
    })

    describe(`${subject}: a new adapter`, () => {
      it('starts as the base, and goes on bit for bit from a saved state', async () => {
        const dropout = open === openEngine ? 0.3 : 0
        const lora = { ...plans['all-linear']!, dropout }
        const source: ModelSource = { kind: 'folder', path: base }
        const plain = await backend.open(source)
        const expected = await plain.logProbs(tokenGroups(ALL))
        await plain.dispose()
        const [whole, first] = [await open(source, lora), await open(source, lora)]
        await expectLogProbs(
          whole,
          expected.map((completions) => completions.map((tokens) => [...tokens!])),
          1e-6,
        )
        for (let step = 0; step < 3; step++) await train(whole, step)
        for (let step = 0; step < 2; step++) await train(first, step)
        const state = join(folder, `state-${open === openEngine ? 'engine' : 'reference'}`)
        await first.saveState(state)
        const resumed = await open(source, lora)
        await resumed.loadState(state)
        await train(resumed, 2)
        expect(await factorsOf(resumed)).toEqual(await factorsOf(whole))
        expect(await factorsOf(first)).not.toEqual(await factorsOf(whole))
        for (const trainee of [whole, first, resumed]) await trainee.dispose()
      })
    })
  }

  describe(`dropout in the engine ${backend.name}`, () => {
    const lora = { ...plans['all-linear']!, dropout: 0.4 }
    const once = async (given: LoraPlan, options?: OpenOptions) => {
      const trainee = await openEngine(onBase('all-linear'), given, options)
      const { loss } = await trainee.forwardBackward(tokenGroups(ALL), objectiveOf(ALL))
      await trainee.optimStep(adamW)
      const result = { loss, factors: await factorsOf(trainee) }
      await trainee.dispose()
      return result
    }

    it('drops in training and nowhere else', async () => {
      const trainee = await openEngine(onBase('all-linear'), lora)
      await expectLogProbs(trainee, cases['all-linear']!.logProbs, 1e-5)
      const { loss } = await train(trainee, 0)
      expect(Math.abs(loss - cases['all-linear']!.steps[0]!.loss)).toBeGreaterThan(1e-2)
      await trainee.dispose()
    })

    it('follows from the seed: the same twice, another with another seed', async () => {
      const [a, b, c] = [await once(lora), await once(lora), await once({ ...lora, seed: 4 })]
      expect(b).toEqual(a)
      expect(c.loss).not.toBe(a.loss)
    })

    it('does not depend on micro-batches', async () => {
      const [whole, split] = [await once(lora), await once(lora, { microBatchTokens: 8 })]
      expect(Math.abs(split.loss - whole.loss)).toBeLessThan(1e-4)
      for (const [factor, data] of whole.factors) {
        for (const [i, value] of data.entries()) expect(Math.abs(split.factors.get(factor)![i]! - value)).toBeLessThan(1e-3)
      }
    })
  })
}
