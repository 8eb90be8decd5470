import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, ModelSource } from '@plumbline/core'
import { elements, loadModel, parameterShapes, writeModelFolder, type ModelConfig, type PackedGroup } from '@plumbline/transformer'
import { openDevice } from '../../src/device/open'
import { EngineClient } from '../../src/worker/client'
import { adapter, describeOnDevice, isWhole, itOnGpu, openModel } from '../support/device'
import { Lcg, randomWeights, smallLlama } from '../support/random-llama'
import { TinyModel } from '../support/tiny'

const adamW: AdamWOptions = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 }

describeOnDevice('training', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-device-'))
  const tiny = new TinyModel()
  const engines: EngineClient[] = []
  afterAll(async () => {
    for (const engine of engines) await engine.close()
    await tiny.dispose()
    rmSync(folder, { recursive: true })
  })

  /** A random model with more heads than the tiny one shares, in a folder. */
  async function randomModel(tied: boolean): Promise<{ source: ModelSource; config: ModelConfig }> {
    const path = join(folder, `random-${tied}`)
    const model = await loadModel({ kind: 'folder', path: tiny.path })
    const config = { ...smallLlama(tied), vocabSize: model.config.vocabSize }
    const configJson = {
      ...model.configJson,
      hidden_size: config.hiddenSize,
      intermediate_size: config.intermediateSize,
      num_hidden_layers: config.layers,
      num_attention_heads: config.heads,
      num_key_value_heads: config.kvHeads,
      head_dim: config.headDim,
      tie_word_embeddings: tied,
    }
    await writeModelFolder(path, { ...model, configJson, weights: randomWeights(config, new Lcg(11)) })
    return { source: { kind: 'folder', path }, config }
  }

  async function engineOn(device: 'cpu' | 'webgpu', source: ModelSource): Promise<EngineClient> {
    const engine = device === 'cpu' ? new EngineClient() : (await openDevice(adapter!)).engine
    engines.push(engine)
    await openModel(engine, source, device)
    return engine
  }

  describe.each(isWhole ? [true, false] : [true])('of a random grouped-query Llama, tied embeddings: %s', (tied) => {
    const random = new Lcg(7)
    // Few words, so that prompts and completions repeat them; one-token completions, prompts of several lengths, a shared prompt.
    const words = (n: number) => random.tokens(n, 12)
    const groups: PackedGroup[] = [5, 8, 2].map((n) => ({ prompt: words(n), completions: [4, 1, 7, 3].map(words) }))
    const tokens = groups.flatMap(({ completions }) => completions.flat()).length
    const cotangents = { 'of every completion': random.array(tokens, 1), 'with dead completions and a dead group': random.array(tokens, 1) }
    cotangents['with dead completions and a dead group'].fill(0, 4, 30)
    let engine: Record<'cpu' | 'webgpu', EngineClient>
    let shapes: Map<string, readonly number[]>
    beforeAll(async () => {
      const { source, config } = await randomModel(tied)
      engine = { cpu: await engineOn('cpu', source), webgpu: await engineOn('webgpu', source) }
      shapes = parameterShapes(config)
    })

    async function gradients(
      one: EngineClient,
      values: Float32Array,
      keep: boolean,
    ): Promise<{ logProbs: Float32Array; all: Float32Array }> {
      const logProbs = await one.call('forward', groups, keep)
      await one.call('backward', values.slice())
      return { logProbs, all: await one.call('takeGradients') }
    }

    // Both add float32 products in orders of their own: a sum of n terms differs by up to about √n units of its largest term.
    const every = [
      ['with dead completions and a dead group', true],
      ['with dead completions and a dead group', false],
      ['of every completion', true],
      ['of every completion', false],
    ] as const
    it.each(isWhole ? every : every.slice(0, 1))(
      'has the log-probs and gradients of the CPU: cotangents %s, activations kept: %s',
      async (which, keep) => {
        const expected = await gradients(engine.cpu, cotangents[which], keep)
        const found = await gradients(engine.webgpu, cotangents[which], keep)
        await engine.cpu.call('drop')
        await engine.webgpu.call('drop')
        expect(difference(found.logProbs, expected.logProbs)).toBeLessThan(1e-5)
        let offset = 0
        for (const [name, shape] of shapes) {
          const end = offset + elements(shape)
          expect({ name, close: difference(found.all.subarray(offset, end), expected.all.subarray(offset, end)) < 1e-5 }).toEqual({
            name,
            close: true,
          })
          offset = end
        }
        expect(offset).toBe(found.all.length)
      },
    )

    itOnGpu('gives the same bits twenty times, with words that repeat', async () => {
      const first = await gradients(engine.webgpu, cotangents['of every completion'], true)
      await engine.webgpu.call('drop')
      for (let i = 1; i < 20; i++) {
        const again = await gradients(engine.webgpu, cotangents['of every completion'], true)
        await engine.webgpu.call('drop')
        expect(bytes(again.all).equals(bytes(first.all))).toBe(true)
      }
    })

    itOnGpu('leaves frozen parameters out as the CPU does', async () => {
      const { source } = await randomModel(tied)
      const frozen = [...shapes.keys()].filter((name) => /embed_tokens|layers\.0\.|norm/.test(name))
      const found: Float32Array[] = []
      for (const device of ['cpu', 'webgpu'] as const) {
        const one = await engineOn(device, source)
        await one.call('prepareTraining', { frozen, keep: true })
        found.push((await gradients(one, cotangents['of every completion'], true)).all)
        await one.close()
      }
      const trained = [...shapes].filter(([name]) => !frozen.includes(name))
      expect(found[1]!.length).toBe(trained.reduce((sum, [, shape]) => sum + elements(shape), 0))
      expect(difference(found[1]!, found[0]!)).toBeLessThan(1e-5)
    })

    itOnGpu('adds gradients up over micro-batches, and clips, steps and clears them as the CPU does', async () => {
      const norms: number[][] = []
      for (const device of ['cpu', 'webgpu'] as const) {
        const found: number[] = []
        for (let step = 0; step < 3; step++) {
          for (const part of [groups.slice(0, 2), groups.slice(2)]) {
            const logProbs = await engine[device].call('forward', part, true)
            await engine[device].call(
              'backward',
              logProbs.map((_, i) => Math.cos(i)),
            )
          }
          found.push(await engine[device].call('optimStep', adamW))
        }
        norms.push(found)
      }
      for (const [step, expected] of norms[0]!.entries()) expect(Math.abs(norms[1]![step]! / expected - 1)).toBeLessThan(1e-4)
      const [expected, found] = [await engine.cpu.call('logProbs', groups), await engine.webgpu.call('logProbs', groups)]
      // Where a gradient is as small as its rounding, AdamW's first steps are as large as anywhere: 3 steps of 1e-3 at most.
      expect(difference(found, expected)).toBeLessThan(1e-3)
      expect(await engine.webgpu.call('takeGradients')).toEqual(
        new Float32Array([...shapes.values()].reduce((sum, shape) => sum + elements(shape), 0)),
      )
    })
  })
})

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)

/** Largest difference, relative to the largest number. */
function difference(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length)
  let [largest, worst] = [0, 0]
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value))
    worst = Math.max(worst, Number.isFinite(found[i]) ? Math.abs(found[i]! - value) : Infinity)
  }
  return largest === 0 ? worst : worst / largest
}
