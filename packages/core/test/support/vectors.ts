import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One question with PyTorch's float64 losses and gradients; made by `make_vectors.py` of @plumbline/conformance, where the file lies. */
export interface VectorCase {
  lengths: number[]
  logProbs: number[]
  referenceLogProbs: number[]
  positive: boolean[]
  rewards: number[]
  beta: number
  dpoBeta: number
  expected: Record<string, { loss: number; grad: number[] }>
}

const file = join(__dirname, '../../../conformance/fixtures/losses.json')
export const vectorCases = (JSON.parse(readFileSync(file, 'utf8')) as { cases: VectorCase[] }).cases
