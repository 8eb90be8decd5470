import type { AdamWOptions } from '@plumbline/core/base'
import { adamWScalars, gradientNorm, type AdamWScalars } from '@plumbline/transformer'
import type { Tensor } from '../runtime/onnxruntime'
import { emit, type Emitted } from '../graph/emit'
import { Graph, type Value } from '../graph/graph'
import type { HostTensor } from '../runtime/session'
import { partsOf, type ParameterGroup } from './groups'
import { joined, separated } from './joining'
import type { DeviceMemory } from './memory'
import type { DeviceParameters } from './parameters'
import { DeviceSession } from './session'
import { DeviceSessions } from './sessions'
import { tensorNamed } from '../runtime/tensor-named'

/** Clips by the global norm and applies AdamW on the device, to a group of tensors at a time; only the gradients' squares come back, summed by rows. */
export class DeviceAdamW {
  private readonly norms = new DeviceSessions(
    (groups: readonly ParameterGroup[]) => groups.map(shapeOf).join(' '),
    (groups) => DeviceSession.create(normGraph(groups), []),
  )
  private readonly updates = new DeviceSessions(shapeOf, (group) => {
    const graph = updateGraph(group)
    return DeviceSession.create(graph, graph.outputs)
  })

  constructor(private readonly memory: DeviceMemory) {}

  /**
   * The same step as the CPU's `adamWStep`.
   * @throws PlumbError PLUMB_NON_FINITE_GRADIENT; weights and moments are then unchanged, the gradients cleared.
   */
  async step(parameters: DeviceParameters, options: AdamWOptions): Promise<number> {
    const gradNorm = await this.norm(parameters)
    parameters.step++
    const scalars = adamWScalars(options, gradNorm, parameters.step)
    for (const group of parameters.groups) await this.update(parameters, group, scalars)
    parameters.clearGradients()
    return gradNorm
  }

  async release(): Promise<void> {
    await this.norms.release()
    await this.updates.release()
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
    const { groups } = parameters
    const session = await this.norms.of(groups)
    const feeds: Record<string, Tensor> = {}
    for (const [g, group] of groups.entries()) Object.assign(feeds, await gradients(parameters, group, g))
    const { host } = await session.run(feeds)
    const all = tensorNamed(host, 'squares').data as Float32Array
    let offset = 0
    const byRow = groups.flatMap(({ names, rows, dims: [count = 0] }) =>
      partsOf({ names, rows, dims: [count] }, all.subarray(offset, (offset += count))),
    )
    return new Map(byRow.map(([name, squares]) => [name, squares.reduce((sum, square) => sum + square, 0)]))
  }

  private async update(parameters: DeviceParameters, group: ParameterGroup, scalars: AdamWScalars): Promise<void> {
    const { memory } = this
    const { mean, variance } = await parameters.momentsOf(group)
    const feeds: Record<string, HostTensor | Tensor> = {
      ...(await gradients(parameters, group, 0)),
      ...updateScalars(scalars, group.dims.length),
      mean: mean.native,
      variance: variance.native,
    }
    for (const [i, name] of group.names.entries()) feeds[`weight_${i}`] = parameters.weights.get(name)!.native
    const session = await this.updates.of(group)
    const { resident } = await session.run(feeds)
    const held = (output: string) => memory.hold(tensorNamed(resident, output))
    for (const [i, name] of group.names.entries()) parameters.setWeight(name, held(`new_weight_${i}`))
    parameters.setMoments(group, { mean: held('new_mean'), variance: held('new_variance') })
  }
}

/** The gradients of the group that is the `g`-th of a graph's, as it is fed them. */
async function gradients(parameters: DeviceParameters, { names }: ParameterGroup, g: number): Promise<Record<string, Tensor>> {
  const feeds: Record<string, Tensor> = {}
  for (const [i, name] of names.entries()) feeds[gradientInput(g, i)] = (await parameters.gradient(name)).native
  return feeds
}

const gradientInput = (group: number, tensor: number) => `gradient_${group}_${tensor}`

function joinedGradients(graph: Graph, { names }: ParameterGroup, g: number): Value {
  return joined(
    graph,
    names.map((_, i) => graph.input(gradientInput(g, i))),
  )
}

/** The gradients of all groups → squares [Σ rows]: Σ gradient² of each row, which the host adds up; of vectors, of each number. */
function normGraph(groups: readonly ParameterGroup[]): Emitted {
  const graph = new Graph('webgpu')
  const byRow = groups.map((group, g) => {
    const gradient = joinedGradients(graph, group, g)
    if (group.dims.length === 1) return graph.node('Mul', [gradient, gradient])
    return graph.node('ReduceSumSquare', [gradient], { attributes: { axes: [-1], keepdims: 0 } })
  })
  return emit({ squares: joined(graph, byRow) })
}

/** A step size below this moves no weight; divided by, it leaves numbers that float32 holds. */
const SMALLEST_STEP = 1e-30

/** What `updateGraph` is fed of a step. @param dimensions of the tensors */
function updateScalars({ clip, keep1, beta2, keep2, stepSize, unbias, epsilon, decay }: AdamWScalars, dimensions: number) {
  const step = Math.max(stepSize, SMALLEST_STEP)
  const values = {
    beta1: 1 - keep1,
    keep1: keep1 * clip,
    beta2,
    keep2: keep2 * clip * clip,
    unbias: unbias / step,
    epsilon: epsilon / step,
    decay: decay(dimensions),
  }
  return Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, HostTensor] => [name, { data: Float32Array.of(value), dims: [] }]),
  )
}

/**
 * AdamW as `adamw-kernel.ts` has it, with what scales the gradient and the step drawn into the factors, so that it takes fewer nodes:
 * m = β₁ m + keep₁ g, v = β₂ v + keep₂ g², w = decay · w − m / (unbias · √v + ε).
 */
function updateGraph(group: ParameterGroup): Emitted {
  const graph = new Graph('webgpu')
  const op = (name: string, ...inputs: Value[]) => graph.node(name, inputs)
  const scaled = (value: Value, factor: string) => op('Mul', value, graph.input(factor))
  const weight = joined(
    graph,
    group.names.map((_, i) => graph.input(`weight_${i}`)),
  )
  const g = joinedGradients(graph, group, 0)
  const mean = op('Add', scaled(graph.input('mean'), 'beta1'), scaled(g, 'keep1'))
  const variance = op('Add', scaled(graph.input('variance'), 'beta2'), scaled(op('Mul', g, g), 'keep2'))
  const slope = op('Div', mean, op('Add', scaled(op('Sqrt', variance), 'unbias'), graph.input('epsilon')))
  const updated = separated(graph, op('Sub', scaled(weight, 'decay'), slope), group.rows)
  return emit({ ...Object.fromEntries(updated.map((value, i) => [`new_weight_${i}`, value])), new_mean: mean, new_variance: variance })
}

/** Groups of one shape have the same graph. */
function shapeOf({ rows, dims }: ParameterGroup): string {
  return `${rows.join('+')}x${dims.slice(1).join('x')}`
}
