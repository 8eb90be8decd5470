import type { Sizes } from '../world/splits'

/** How much of everything there is. Chosen on seeds that are not reported: see DESIGN.md. */
export interface Settings {
  /** Names the folders of data and runs. */
  readonly name: 'full' | 'smoke'
  readonly sizes: Sizes
  readonly sftSteps: number
  readonly alignSteps: number
  readonly batchSize: number
  /** Steps after which the models of claim d are looked at. */
  readonly ladder: readonly number[]
  /** Candidates a question, and those that claim e compares. */
  readonly k: number
  readonly otherK: readonly [few: number, many: number]
  readonly beta: number
  readonly otherBetas: readonly number[]
  readonly resamples: number
  /** Longer than any right chain of the longest problems. */
  readonly maxNewTokens: number
}

export const FULL: Settings = {
  name: 'full',
  sizes: { train: 3000, fresh: 3000, test: 1000, longer: 300, reworded: 300, larger: 300 },
  sftSteps: 1500,
  alignSteps: 400,
  batchSize: 16,
  ladder: [100, 200, 400],
  k: 6,
  otherK: [2, 12],
  beta: 0.15,
  otherBetas: [0.015, 0.5, 1.5],
  resamples: 2000,
  maxNewTokens: 60,
}

/** Everything runs and nothing is learnt. */
export const SMOKE: Settings = {
  name: 'smoke',
  sizes: { train: 12, fresh: 8, test: 6, longer: 4, reworded: 4, larger: 4 },
  sftSteps: 4,
  alignSteps: 2,
  batchSize: 4,
  ladder: [1, 2],
  k: 2,
  otherK: [1, 3],
  beta: 0.15,
  otherBetas: [0.015, 0.5, 1.5],
  resamples: 50,
  // models that learnt nothing do not end
  maxNewTokens: 8,
}
