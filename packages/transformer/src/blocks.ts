import type { LayerContext, ParameterSpec } from './architecture'
import type { ModelConfig } from './model-config'
import type { Ops } from './ops'

/** What several families' layers are made of: sublayers with their parameters, named as in Llama. */

/** How a family normalises: the weights' initial value, and what is added to them. */
export interface Norm {
  /** Gemma multiplies by 1 + weight. */
  readonly offset?: number
}

const layerPrefix = (layer: number) => `model.layers.${layer}.`

/** What a norm multiplies by. */
export function normWeight<T>(ops: Ops<T>, weight: T, { offset = 0 }: Norm): T {
  return offset === 0 ? weight : ops.shift(weight, offset)
}

/** RMSNorm with a layer's weight `part`; with `heads`, of each head of a row by itself. */
export function norm<T>({ ops, config, weights, layer }: LayerContext<T>, part: string, x: T, kind: Norm = {}, heads?: number): T {
  const { normEps, headDim } = config
  const weight = normWeight(ops, weights(`${layerPrefix(layer)}${part}.weight`), kind)
  return ops.rmsNorm(x, weight, normEps, heads === undefined ? undefined : { heads, headDim })
}

export function normParameter(layer: number, part: string, width: number, { offset = 0 }: Norm = {}): ParameterSpec {
  return { name: `${layerPrefix(layer)}${part}.weight`, shape: [width], initial: 1 - offset }
}

/** A projection of a layer, with its bias where it has one, and a residual where one is given. */
export function project<T>({ ops, weights, layer }: LayerContext<T>, part: string, x: T, hasBias = false, residual?: T): T {
  const name = `${layerPrefix(layer)}${part}`
  return ops.linear(x, weights(`${name}.weight`), {
    ...(hasBias ? { bias: weights(`${name}.bias`) } : {}),
    ...(residual === undefined ? {} : { residual }),
  })
}

export function projection(
  layer: number,
  part: string,
  [out, width]: readonly [number, number],
  hasBias = false,
  initial: ParameterSpec['initial'] = 'normal',
): ParameterSpec[] {
  const name = `${layerPrefix(layer)}${part}`
  const matrix: ParameterSpec = { name: `${name}.weight`, shape: [out, width], initial }
  return hasBias ? [matrix, { name: `${name}.bias`, shape: [out], initial: 0 }] : [matrix]
}

export interface AttentionKind {
  /** Whether q, k and v have biases. */
  readonly qkvBias?: boolean
  readonly outputBias?: boolean
  /** Norms of queries and keys before they turn: of each head, or of all of them together. */
  readonly qkNorm?: 'head' | 'full'
  readonly norm?: Norm
}

/** Queries, keys and values of `normed`, attended and projected. Adds `residual` where one is given. */
export function selfAttention<T>(context: LayerContext<T>, normed: T, kind: AttentionKind, residual?: T): T {
  const { config, narrow, attend } = context
  const { qkvBias, outputBias, qkNorm } = kind
  const shaped = (part: 'q' | 'k', x: T, heads: number) =>
    qkNorm === undefined ? x : norm(context, `self_attn.${part}_norm`, x, kind.norm, qkNorm === 'head' ? heads : undefined)
  const attended = attend(
    shaped('q', project(context, 'self_attn.q_proj', narrow(normed), qkvBias), config.heads),
    shaped('k', project(context, 'self_attn.k_proj', normed, qkvBias), config.kvHeads),
    project(context, 'self_attn.v_proj', normed, qkvBias),
  )
  return project(context, 'self_attn.o_proj', attended, outputBias, residual)
}

export function attentionParameters(
  config: ModelConfig,
  layer: number,
  { qkvBias, outputBias, qkNorm, norm: kind }: AttentionKind,
): ParameterSpec[] {
  const { hiddenSize, headDim, heads, kvHeads } = config
  const [queries, keys] = [heads * headDim, kvHeads * headDim]
  const normWidth = (width: number) => (qkNorm === 'head' ? headDim : width)
  return [
    ...projection(layer, 'self_attn.q_proj', [queries, hiddenSize], qkvBias),
    ...projection(layer, 'self_attn.k_proj', [keys, hiddenSize], qkvBias),
    ...projection(layer, 'self_attn.v_proj', [keys, hiddenSize], qkvBias),
    ...(qkNorm === undefined
      ? []
      : [
          normParameter(layer, 'self_attn.q_norm', normWidth(queries), kind),
          normParameter(layer, 'self_attn.k_norm', normWidth(keys), kind),
        ]),
    ...projection(layer, 'self_attn.o_proj', [hiddenSize, queries], outputBias, 'residual'),
  ]
}

/** A gated feed-forward layer (arXiv:2002.05202). Adds `residual` where one is given. */
export function gatedMlp<T>(context: LayerContext<T>, x: T, hasBias = false, residual?: T): T {
  const [gate, up] = ['gate_proj', 'up_proj'].map((part) => project(context, `mlp.${part}`, x, hasBias)) as [T, T]
  return project(context, 'mlp.down_proj', gated(context, gate, up), hasBias, residual)
}

/** activation(gate) · up */
export function gated<T>({ ops, config }: LayerContext<T>, gate: T, up: T): T {
  if (config.activation === 'silu') return ops.swiglu(gate, up)
  return ops.multiply(ops.activate(gate, config.activation), up)
}

export function mlpParameters({ hiddenSize, intermediateSize }: ModelConfig, layer: number, hasBias = false): ParameterSpec[] {
  return [
    ...projection(layer, 'mlp.gate_proj', [intermediateSize, hiddenSize], hasBias),
    ...projection(layer, 'mlp.up_proj', [intermediateSize, hiddenSize], hasBias),
    ...projection(layer, 'mlp.down_proj', [hiddenSize, intermediateSize], hasBias, 'residual'),
  ]
}
