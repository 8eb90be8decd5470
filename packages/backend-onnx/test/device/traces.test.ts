/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdamWOptions, ModelSource } from '@plumbline/core'
import { elements, loadModel, parameterShapes } from '@plumbline/transformer'
import { DeviceSession } from '../../src/device/session'
import { engineWith } from '../support/in-process'
import { TinyModel, tinyGroups } from '../support/tiny'

/**
 * How many nodes a GPU is given and how much memory they write, of a training step and of a token, counted on the CPU's provider: it runs the
 * same graphs. A GPU waits for the host at every node of a small model, and every byte is one that it allocates.
 */
const tiny = new TinyModel()
const source: ModelSource = { kind: 'folder', path: tiny.path }
const folder = mkdtempSync(join(tmpdir(), 'plumbline-traces-'))
beforeAll(() => (DeviceSession.provider = 'cpu'))
afterAll(async () => {
  DeviceSession.provider = 'webgpu'
  DeviceSession.traces = undefined
  rmSync(folder, { recursive: true })
  await tiny.dispose()
})

interface TraceEvent {
  readonly cat: string
  readonly name: string
  readonly args: { readonly op_name?: string; readonly output_size?: string }
}

interface Written {
  readonly nodes: number
  readonly bytes: number
}

/** They look at a tensor in another shape, and write nothing. */
const VIEWS = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Identity'])

/** Sessions that are made from now on are counted as `part`. */
function traceAs(part: string): void {
  mkdirSync(join(folder, part), { recursive: true })
  DeviceSession.traces = join(folder, part, 'session')
}

/** What all sessions of a part did, once they are released. */
function writtenBy(part: string): Written {
  const events = readdirSync(join(folder, part)).flatMap(
    (file) => JSON.parse(readFileSync(join(folder, part, file), 'utf8')) as TraceEvent[],
  )
  const run = events.filter(({ cat, name, args }) => cat === 'Node' && name.endsWith('_kernel_time') && !VIEWS.has(args.op_name ?? ''))
  return { nodes: run.length, bytes: run.reduce((sum, { args }) => sum + Number(args.output_size), 0) }
}

it('a training step', async () => {
  const adamW: AdamWOptions = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 }
  const groups = tinyGroups.slice(0, 3).map(({ prompt, completions }) => ({ prompt, completions }))
  const tokens = groups.flatMap(({ completions }) => completions.flat())
  const engine = await engineWith(source, 'webgpu')
  traceAs('passes')
  await engine.prepareTraining({ frozen: [], keep: true })
  await engine.forward(groups, true)
  await engine.backward(Float32Array.from(tokens, (_, i) => Math.cos(i)))
  traceAs('optimizer')
  await engine.optimStep(adamW)
  await engine.close()
  const parameters = [...parameterShapes((await loadModel(source)).config).values()].reduce((sum, shape) => sum + elements(shape), 0)
  expect(writtenBy('passes')).toEqual({ nodes: 283, bytes: 10_627_617 })
  // An update writes thirteen tensors of a group's size; the rest are gradients put together (here and for the norms), weights put together and taken apart.
  const { nodes, bytes } = writtenBy('optimizer')
  expect(nodes).toBe(63)
  expect(bytes / (4 * parameters)).toBeCloseTo(20.46, 2)
})

it('a token', async () => {
  /** Of these many tokens of four completions. */
  const written = async (maxNewTokens: number): Promise<Written> => {
    const part = `tokens-${maxNewTokens}`
    const engine = await engineWith(source, 'webgpu')
    engine.context = { emit: () => undefined, aborted: () => false }
    traceAs(part)
    const prompt = { id: 'q', prompt: tinyGroups[0]!.prompt, candidates: [0, 1, 2, 3] }
    await engine.generate([prompt], { seed: 1, temperature: 1, maxNewTokens, endTokens: [] })
    await engine.close()
    return writtenBy(part)
  }
  const [few, more] = [await written(10), await written(14)]
  expect({ nodes: (more.nodes - few.nodes) / 4, bytes: (more.bytes - few.bytes) / 4 }).toEqual({ nodes: 96, bytes: 201_804 })
})
