import path from 'node:path'
import type { ConfigInput } from '@plumbline/core'
import { TASKS, type Task } from '../world/problem'
import { OTHER_SHAPES, type Split } from '../world/splits'
import { writeTask, writeTokenizer } from '../world/files'
import { architectureOf, MODELS, type ModelName } from './models'
import type { Settings } from './settings'
import type { Variant } from './variants'

/** One comparison of variants over the same samples: a run for each seed. */
export interface Cell {
  /** Names it within a claim. */
  readonly name: string
  /** One of the world's tasks, or all three at once. */
  readonly task: Task | 'all'
  /** On which questions is aligned: those of stage 1 (the paper's design), or fresh ones. */
  readonly design: 'paper' | 'fresh'
  /** Right and wrong, or a ranking. */
  readonly feedback: 'binary' | 'ranked'
  readonly tests: 'usual' | 'other'
  readonly k?: number
  readonly rounds?: number
  readonly variants: readonly Variant[]
  readonly control: string
}

/** What a cell is run with. */
export interface Setup {
  readonly settings: Settings
  readonly model: ModelName
  /** Where data and runs lie. */
  readonly folder: string
  /** Of the example. */
  readonly home: string
}

const PACKAGES = ['backend-onnx', 'plugin-ca-loss', 'plugin-rft', 'plugin-rrhf', 'plugin-pro', 'plugin-dpo']

/** The run folder of a cell: cells of one task and seed share stages there. */
export function runFolder({ settings, model, folder }: Setup, { task }: Cell, seed: number): string {
  return path.join(folder, 'runs', settings.name, model, `${task}-seed-${seed}`)
}

/** The configuration of a cell and a seed, which changes the data, the initial weights and every draw. Writes the data where it is missing. */
export function configOf(setup: Setup, cell: Cell, seed: number): ConfigInput {
  const { settings, model, folder, home } = setup
  const { sizes, batchSize, maxNewTokens } = settings
  const tokenizer = path.join(folder, 'data', 'tokenizer')
  writeTokenizer(tokenizer)
  const tasks = cell.task === 'all' ? TASKS : [cell.task]
  for (const task of tasks) writeTask(dataFolder(setup, task, seed), task, seed, sizes)
  const of = (split: Split) => {
    const sources = tasks.map((task) => ({ name: task, path: path.join(dataFolder(setup, task, seed), `${split}.jsonl`) }))
    return sources.length === 1 ? { path: sources[0]?.path ?? '' } : sources
  }
  const others = OTHER_SHAPES.map((shape) => ({
    name: shape,
    path: path.join(dataFolder(setup, cell.task === 'all' ? 'story' : cell.task, seed), `${shape}.jsonl`),
  }))
  const { learningRate } = MODELS[model]
  const training = { batchSize, betas: [0.9, 0.98] as [number, number], weightDecay: 0.05, maxGradNorm: 1, checkpointEvery: 500 }
  return {
    model: { architecture: architectureOf(model), tokenizer, seed },
    backend: 'onnx',
    seed,
    run: runFolder(setup, cell, seed),
    plugins: [
      ...PACKAGES.map((name) => `@plumbline/${name}`),
      path.join(home, 'dist', 'study', 'ranker.js'),
      path.join(home, '..', 'third-party-loss', 'src', 'index.ts'),
    ],
    data: {
      train: of('train'),
      ...(cell.design === 'fresh' ? { questions: of('fresh') } : {}),
      test: cell.tests === 'other' ? others : of('test'),
    },
    sft: { ...training, steps: settings.sftSteps, learningRate },
    sample: { k: cell.k ?? settings.k, maxNewTokens, cutOff: 'wrong' },
    label: { name: cell.feedback === 'ranked' ? 'steps' : 'answer' },
    ...(cell.rounds === undefined ? {} : { rounds: cell.rounds }),
    align: cell.variants.map(({ name, losses, steps, schedule = 'cosine' as const }) => ({
      ...training,
      name,
      losses: losses.map((loss) => ({ ...loss })),
      steps,
      schedule,
      learningRate: learningRate * ALIGN_RATE,
      ...(cell.design === 'fresh' ? { sftFrom: 'train' as const } : {}),
    })),
    evaluate: { maxNewTokens, label: 'answer', control: cell.control },
  }
}

/** Alignment's learning rate, of that of stage 1. */
const ALIGN_RATE = 0.15

function dataFolder({ settings, folder }: Setup, task: Task, seed: number): string {
  return path.join(folder, 'data', settings.name, `${task}-seed-${seed}`)
}
