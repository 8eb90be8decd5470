import { join } from 'node:path'
import type { AdamWOptions, Generation, GenerationPrompt, Objective, Policy, Sampling } from '@plumbline/core'
import { OnnxBackend } from '../../src'
import { openDevice } from '../../src/device/open'
import { ProcessPort } from '../../src/device/process-port'
import { EngineClient } from '../../src/worker/client'
import { parity, peerObjective } from '../support/aft'
import { adapter, describeOnDevice, describeOnGpu, device, isSoftwareAdapter, itOnGpu, openModel, runNode } from '../support/device'
import { TinyModel, tinyGroups, tokenGroups } from '../support/tiny'

jest.setTimeout(300_000)

const adamW: AdamWOptions = { learningRate: 1e-4, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }
const groups = tokenGroups(tinyGroups.slice(0, 4))
const likelihood: Objective = (batch) => ({ loss: 0, cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => -1)) })
const dist = (file: string) => JSON.stringify(join(__dirname, '../../dist', file))

describeOnGpu('OnnxPolicy', () => {
  const model = new TinyModel()
  let policy: Policy
  beforeAll(async () => (policy = await model.open({ device })))
  afterAll(() => model.dispose())

  it('names the adapter', async () => {
    expect(policy.info.engine).toBe(`onnx (${adapter}, WebGPU)`)
    expect(await new OnnxBackend({ device }).probe()).toMatchObject({
      usable: true,
      device: `${adapter}, WebGPU`,
      accelerated: !isSoftwareAdapter,
    })
  })

  it.each(['sft', 'aft-bc'] as const)('takes the path of the PyTorch peer: %s', async (name) => {
    const trained = await model.open({ device })
    const { steps, scores_end } = parity.losses[name]
    for (const [step, expected] of steps.entries()) {
      const chosen = Array.from({ length: 4 }, (_, i) => tinyGroups[(4 * step + i) % tinyGroups.length]!)
      const needed = name === 'sft' ? chosen.map((group) => group.completions.map((_, c) => c === group.reference)) : undefined
      const asked = tokenGroups(chosen).map((group, g) => ({ ...group, needed: needed?.[g] }))
      const { loss } = await trained.forwardBackward(asked, peerObjective(name, chosen))
      const { gradNorm } = await trained.optimStep(adamW)
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3)
    }
    const known = tinyGroups.filter(({ id }) => id in scores_end)
    const found = await trained.logProbs(tokenGroups(known))
    for (const [g, { id }] of known.entries()) {
      for (const [c, values] of found[g]!.entries()) {
        const score = values!.reduce((sum, value) => sum + value, 0) / values!.length
        expect(Math.abs(score - scores_end[id]!.mean_logprob[c]!)).toBeLessThan(1e-4)
      }
    }
    await trained.dispose()
  })

  describe('generation', () => {
    const collect = async (one: Policy, prompts: readonly GenerationPrompt[], sampling: Sampling) => {
      const found: Generation[] = []
      for await (const generation of one.generate(prompts, sampling)) found.push(generation)
      return new Map(found.map((generation) => [`${generation.id}/${generation.candidate}`, generation]))
    }
    // Prompts on both sides of the padding's multiple of 16; 1 to 5 candidates; completions past two blocks of 32 cached tokens.
    const prompts = [3, 16, 20, 33].map((length, i) => ({
      id: `q${i}`,
      prompt: Array.from({ length }, (_, j) => 5 + ((j * 37 + i * 11) % 500)),
      candidates: Array.from({ length: [1, 5, 3, 2][i]! }, (_, c) => c),
    }))

    it('is the CPU’s where the likeliest token is taken', async () => {
      const sampling = { seed: 3, temperature: 0, maxNewTokens: 70 }
      const [expected, found] = [await collect(await model.open(), prompts, sampling), await collect(policy, prompts, sampling)]
      expect(found.size).toBe(11)
      expect(found).toEqual(new Map([...found.keys()].map((key) => [key, expected.get(key)])))
    })

    // The same number draws the same token of the same probabilities; a difference in the last bits would have to meet a border.
    it.each([
      ['all tokens', {}],
      ['the best 40', { topK: 40 }],
      ['the nucleus', { topP: 0.9 }],
      ['the nucleus of the best 40', { topK: 40, topP: 0.9 }],
    ])('is the CPU’s where tokens are drawn from %s', async (_, limits) => {
      const sampling = { seed: 5, temperature: 0.8, maxNewTokens: 30, ...limits }
      const [expected, found] = [await collect(await model.open(), prompts, sampling), await collect(policy, prompts, sampling)]
      expect(found).toEqual(new Map([...found.keys()].map((key) => [key, expected.get(key)])))
      expect(new Set([...found.values()].map(({ tokens }) => tokens.join())).size).toBe(11)
    })

    it('says of which completion the logits are not finite', async () => {
      const engine = new EngineClient(new ProcessPort())
      // Weights near the largest float32 overflow in the first product.
      const architecture = { model_type: 'llama', vocab_size: 512, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1, max_position_embeddings: 64, initializer_range: 1e38 } // prettier-ignore
      await openModel(engine, { kind: 'scratch', architecture, tokenizer: model.path, seed: 1 }, 'webgpu')
      const generated = engine.call('generate', [{ id: 'q', prompt: [5, 6], candidates: [2] }], {
        seed: 1,
        temperature: 1,
        maxNewTokens: 4,
      })
      await expect(generated).rejects.toMatchObject({ code: 'PLUMB_NON_FINITE_LOGITS', where: 'prompt q, candidate 2, token 0' })
      await engine.close()
    })

    it('does not depend on what else is sampled, and repeats itself', async () => {
      const sampling = { seed: 3, temperature: 1, topK: 40, topP: 0.9, maxNewTokens: 40 }
      const together = await collect(policy, prompts, sampling)
      expect(await collect(policy, prompts, sampling)).toEqual(together)
      const alone = await collect(policy, [{ ...prompts[1]!, candidates: [3] }], sampling)
      expect(alone.get('q1/3')).toEqual(together.get('q1/3'))
      expect(new Set([...together.values()].map(({ tokens }) => tokens.join())).size).toBe(together.size)
    })
  })

  it('continues bit for bit from a saved state, on the CPU too, and keeps a snapshot as it was', async () => {
    const [state, weights] = [join(model.folder, 'state'), join(model.folder, 'weights')]
    const step = async (one: Policy) => {
      await one.forwardBackward(groups, likelihood)
      return one.optimStep({ ...adamW, learningRate: 1e-3 })
    }
    const original = await policy.logProbs(groups)
    const snapshot = await policy.snapshot()
    await step(policy)
    await policy.saveState(state)
    await policy.saveWeights(weights)
    const saved = await policy.logProbs(groups)
    await step(policy)
    const [after, norm] = [await policy.logProbs(groups), await step(policy)]
    expect(after).not.toEqual(saved)
    expect(await snapshot.logProbs(groups)).toEqual(original)
    await snapshot.dispose()

    await policy.loadState(state)
    expect(await policy.logProbs(groups)).toEqual(saved)
    await step(policy)
    expect(await policy.logProbs(groups)).toEqual(after)
    expect(await step(policy)).toEqual(norm)

    const onCpu = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: weights })
    const scores = await onCpu.logProbs(groups)
    await onCpu.dispose()
    for (const [g, completions] of saved.entries()) {
      for (const [c, values] of completions.entries()) {
        for (const [t, value] of values!.entries()) expect(Math.abs(value - scores[g]![c]![t]!)).toBeLessThan(1e-4)
      }
    }
  })

  it('refuses a gradient that is not finite by its name, and goes on', async () => {
    await policy.forwardBackward(groups, (batch) => ({
      loss: 0,
      cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => 1e38)),
    }))
    await expect(policy.optimStep(adamW)).rejects.toMatchObject({
      code: 'PLUMB_NON_FINITE_GRADIENT',
      message: expect.stringContaining('model.') as string,
    })
    await policy.forwardBackward(groups, likelihood)
    expect(Number.isFinite((await policy.optimStep(adamW)).gradNorm)).toBe(true)
  })
})

describeOnDevice('the device', () => {
  // A GPU may have room for anything.
  const onSoftware = isSoftwareAdapter ? it : it.skip
  const onSoftwareAsked = isSoftwareAdapter ? itOnGpu : it.skip
  const model = new TinyModel()
  afterAll(() => model.dispose())

  itOnGpu('runs every node of every graph, and copies nothing in between, by the provider’s own report', async () => {
    const port = new ProcessPort({ PLUMBLINE_WEBGPU_LOG: 'verbose' })
    const engine = new EngineClient(port)
    await openModel(engine, { kind: 'folder', path: model.path }, 'webgpu')
    await engine.call('prepareTraining', { frozen: [], keep: true })
    for (const keep of [true, false]) {
      const logProbs = await engine.call('forward', groups, keep)
      // A dead completion, so that kept rows are selected.
      await engine.call(
        'backward',
        logProbs.map((_, i) => (i < groups[0]!.completions[0]!.length ? 0 : 1)),
      )
    }
    await engine.call('logProbs', groups)
    await engine.call('optimStep', adamW)
    await engine.call('saveWeights', join(model.folder, 'placed'))
    const asked = [{ id: 'q', prompt: groups[0]!.prompt, candidates: [0, 1, 2] }]
    for (const temperature of [0, 1]) await engine.call('generate', asked, { seed: 1, temperature, topK: 9, topP: 0.9, maxNewTokens: 40 })
    await engine.close()
    expect([...port.log.placements.keys()]).toEqual(['WebGpuExecutionProvider'])
    // Forward, forward keeping, two backward graphs, norms, updates, upload, download, zeros, row selection, prefill, step, relayout, choice.
    expect(port.log.placements.get('WebGpuExecutionProvider')).toBeGreaterThan(1000)
    expect(port.log.copies).toBe(0)
  })

  it('refuses a graph with a node that it would leave to the CPU', () => {
    const script = `
      const { Graph } = require(${dist('graph/graph.js')})
      const { emit } = require(${dist('graph/emit.js')})
      const { DeviceSession } = require(${dist('device/session.js')})
      const graph = new Graph('webgpu')
      const y = graph.node('LogSoftmax', [graph.input('x')], { attributes: { axis: -1 } })
      DeviceSession.create(emit({ y }), []).then(() => console.log('created'), (error) => console.log(error.message))`
    expect(runNode(script).stdout).toMatch(/CPU EP/)
  })

  onSoftwareAsked('says that it is out of memory and how much it held, and takes no more calls', async () => {
    const engine = new EngineClient(new ProcessPort())
    // A million words: the logits of 2,100 rows take 8.4 GB, and their places still fit 31 bits.
    const architecture = { model_type: 'llama', vocab_size: 1_000_000, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1, max_position_embeddings: 512 } // prettier-ignore
    await openModel(engine, { kind: 'scratch', architecture, tokenizer: model.path, seed: 1 }, 'webgpu')
    const completions = Array.from({ length: 7 }, () => new Array<number>(300).fill(7))
    const error = { code: 'PLUMB_DEVICE_OUT_OF_MEMORY', message: expect.stringMatching(/out of memory: 6\d MiB of weights/) as string }
    await expect(engine.call('logProbs', [{ prompt: [5], completions }])).rejects.toMatchObject(error)
    await expect(engine.call('logProbs', [{ prompt: [5], completions: [[7]] }])).rejects.toMatchObject(error)
    await engine.close()
  })

  onSoftware('that computes on the CPU is taken by name alone', async () => {
    const open = openDevice('')
    await expect(open).rejects.toMatchObject({ code: 'PLUMB_DEVICE_IS_SOFTWARE', message: expect.stringContaining(adapter!) as string })
    expect(await new OnnxBackend({ device: 'webgpu' }).probe()).toMatchObject({ usable: false })
  })

  it('is not taken when its name is another', async () => {
    const refused = model.open({ device: 'webgpu:no such adapter' })
    await expect(refused).rejects.toMatchObject({ code: 'PLUMB_DEVICE_NOT_FOUND', message: expect.stringContaining(adapter!) as string })
  })
})
