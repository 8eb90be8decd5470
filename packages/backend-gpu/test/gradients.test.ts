import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { Engine } from '../src/engine'
import { loadLibrary } from '../src/library'
import { Scorer } from '../src/scoring'
import { describeDevices } from './support/devices'
import { Lcg, randomWeights, smallLlama } from '../../backend-onnx/test/support/random-llama'

interface Case {
  readonly seed: number
  readonly tied: boolean
  readonly groups: readonly [number, number[]][]
  readonly logProbs: number[][]
  readonly gradients: Record<string, string>
}

/** Log-probs and gradients by PyTorch in float64; the generator stands beside the file. */
const cases = JSON.parse(readFileSync(join(__dirname, '../../backend-onnx/test/fixtures/llama-gradients.json'), 'utf8')) as Case[]

describeDevices('a random grouped-query Llama', (device) => {
  describe.each(cases)('tied embeddings: $tied', ({ seed, tied, groups, logProbs, gradients }) => {
    const config = smallLlama(tied)
    const random = new Lcg(seed)
    const weights = randomWeights(config, random)
    const cotangents: number[] = []
    const packed = groups.map(([promptLength, lengths]) => ({
      prompt: random.tokens(promptLength, config.vocabSize),
      completions: lengths.map((n) => {
        const completion = random.tokens(n, config.vocabSize)
        cotangents.push(...random.array(n, 1))
        return completion
      }),
    }))
    const engine = new Engine(loadLibrary(device).backend)
    const scorer = new Scorer(engine, config)
    const tensors = new Map([...weights].map(([name, { shape, data }]) => [name, engine.run(() => tf.tensor(data, [...shape]))]))

    it('has the log-probs of PyTorch in float64', async () => {
      const found = await engine.read(scorer.logProbs(packed, { weights: tensors }))
      const expected = logProbs.flat()
      expect(found.length).toBe(expected.length)
      for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-5)
    })

    it('has the gradients of PyTorch in float64, and leaks no tensor', async () => {
      const before = tf.memory().numTensors
      const found = scorer.gradients(packed, { weights: tensors }, Float32Array.from(cotangents))
      expect(Object.keys(gradients).sort()).toEqual([...tensors.keys()].sort())
      for (const [i, name] of [...tensors.keys()].entries()) {
        const bytes = Buffer.from(gradients[name]!, 'base64')
        const expected = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
        const error = relativeError(await engine.read(found[i]!), expected)
        expect({ name, close: error < 1e-5, error }).toEqual({ name, close: true, error })
      }
      expect(tf.memory().numTensors).toBe(before)
    })
  })
})

/** Largest difference, relative to the largest expected magnitude of the tensor. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  let scale = 0
  let error = 0
  for (const [i, value] of expected.entries()) {
    scale = Math.max(scale, Math.abs(value))
    error = Math.max(error, Math.abs(found[i]! - value))
  }
  return error / scale
}
