import type { AdamWOptions } from '@plumbline/core/base'
import { adamWScalars, gradientNorm, type AdamWScalars } from '@plumbline/transformer'
import type { Tensor } from '../runtime/onnxruntime'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import type { HostTensor } from '../runtime/session'
import type { DeviceMemory } from './memory'
import type { DeviceParameters } from './parameters'
import { DeviceSession } from './session'
import { tensorNamed } from '../runtime/tensor-named'

/** Parameters of one update: more would hold more old and new tensors side by side, fewer would cost more calls. */
const PER_RUN = 8
/** Tensors that one node joins: a shader binds no more than eight buffers everywhere, its result among them. */
const JOINED = 7

/** Clips by the global norm and applies AdamW on the device; only the squares of the gradients' norms come back. */
export class DeviceAdamW {
  private readonly norms = new Map<number, Promise<DeviceSession>>()
  private readonly updates = new Map<number, Promise<DeviceSession>>()

  constructor(private readonly memory: DeviceMemory) {}

  /**
   * The same step as the CPU's `adamWStep`.
   * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged, the gradients cleared.
   */
  async step(parameters: DeviceParameters, options: AdamWOptions): Promise<number> {
    const gradNorm = await this.norm(parameters)
    parameters.step++
    const scalars = adamWScalars(options, gradNorm, parameters.step)
    for (const names of pieces(parameters.trained, PER_RUN)) await this.update(parameters, names, scalars)
    parameters.clearGradients()
    return gradNorm
  }

  async release(): Promise<void> {
    for (const session of [...this.norms.values(), ...this.updates.values()]) await (await session).release()
  }

  private async norm(parameters: DeviceParameters): Promise<number> {
    const squares = await this.squares(parameters)
    try {
      return gradientNorm(squares)
    } catch (error) {
      parameters.clearGradients()
      throw error
    }
  }

  /** Σ g² of every parameter, in one run: what comes back has waited for all that was asked before. */
  private async squares(parameters: DeviceParameters): Promise<Map<string, number>> {
    const names = parameters.trained
    const session = await cached(this.norms, names.length, () => DeviceSession.create(normGraph(names.length), []))
    const feeds: Record<string, Tensor> = {}
    for (const [i, name] of names.entries()) feeds[`gradient_${i}`] = (await parameters.gradient(name)).native
    const { host } = await session.run(feeds)
    const squares = tensorNamed(host, 'squares').data as Float32Array
    return new Map(names.map((name, i) => [name, squares[i]!]))
  }

  private async update(parameters: DeviceParameters, names: readonly string[], { decay, ...scalars }: AdamWScalars): Promise<void> {
    const { memory } = this
    const { weights } = parameters
    const feeds: Record<string, HostTensor | Tensor> = {}
    for (const [name, value] of Object.entries(scalars)) feeds[name] = scalar(value)
    for (const [i, name] of names.entries()) {
      const weight = weights.get(name)!
      const { mean, variance } = await parameters.momentsOf(name)
      feeds[`decay_${i}`] = scalar(decay(weight.dims.length))
      feeds[`weight_${i}`] = weight.native
      feeds[`gradient_${i}`] = (await parameters.gradient(name)).native
      feeds[`mean_${i}`] = mean.native
      feeds[`variance_${i}`] = variance.native
    }
    const session = await cached(this.updates, names.length, () => {
      const graph = updateGraph(names.length)
      return DeviceSession.create(graph, graph.outputs)
    })
    const { resident } = await session.run(feeds)
    for (const [i, name] of names.entries()) {
      const held = (part: string) => memory.hold(tensorNamed(resident, `new_${part}_${i}`))
      parameters.setWeight(name, held('weight'))
      parameters.setMoments(name, { mean: held('mean'), variance: held('variance') })
    }
  }
}

/** gradient_i → squares [count]: Σ gradient_i², row by row first, so that the sums of float32 stay short. */
function normGraph(count: number): Emitted {
  const graph = new Graph('webgpu')
  const sums = Array.from({ length: count }, (_, i) => {
    const gradient = graph.input(`gradient_${i}`)
    const byRow = graph.node('ReduceSum', [graph.node('Mul', [gradient, gradient]), graph.ints(-1)], { attributes: { keepdims: 1 } })
    return graph.node('Reshape', [graph.node('ReduceSum', [byRow], { attributes: { keepdims: 0 } }), graph.ints(1)])
  })
  return emit({ squares: joined(graph, sums) })
}

/** Vectors one behind the other. */
function joined(graph: Graph, vectors: readonly Value[]): Value {
  if (vectors.length === 1) return vectors[0]!
  const parts = pieces(vectors, JOINED).map((part) =>
    part.length === 1 ? part[0]! : graph.node('Concat', part, { attributes: { axis: 0 } }),
  )
  return joined(graph, parts)
}

/** AdamW with the inputs of `adamWScalars`; the same formula as `adamw-kernel.ts`. */
function updateGraph(count: number): Emitted {
  const graph = new Graph('webgpu')
  const clip = graph.input('clip')
  const keep1 = graph.input('keep1')
  const beta2 = graph.input('beta2')
  const keep2 = graph.input('keep2')
  const stepSize = graph.input('stepSize')
  const unbias = graph.input('unbias')
  const epsilon = graph.input('epsilon')
  const op = (name: string, ...inputs: Value[]) => graph.node(name, inputs)
  const outputs: Record<string, Value> = {}
  for (let i = 0; i < count; i++) {
    const weight = graph.input(`weight_${i}`)
    const mean = graph.input(`mean_${i}`)
    const variance = graph.input(`variance_${i}`)
    const g = op('Mul', graph.input(`gradient_${i}`), clip)
    const m = op('Add', mean, op('Mul', op('Sub', g, mean), keep1))
    const v = op('Add', op('Mul', variance, beta2), op('Mul', op('Mul', g, g), keep2))
    const slope = op('Div', op('Mul', m, stepSize), op('Add', op('Mul', op('Sqrt', v), unbias), epsilon))
    outputs[`new_weight_${i}`] = op('Sub', op('Mul', weight, graph.input(`decay_${i}`)), slope)
    outputs[`new_mean_${i}`] = m
    outputs[`new_variance_${i}`] = v
  }
  return emit(outputs)
}

function cached(sessions: Map<number, Promise<DeviceSession>>, size: number, make: () => Promise<DeviceSession>): Promise<DeviceSession> {
  const known = sessions.get(size) ?? make()
  sessions.set(size, known)
  return known
}

function pieces<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

const scalar = (value: number): HostTensor => ({ data: Float32Array.of(value), dims: [] })
