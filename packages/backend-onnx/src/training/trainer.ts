import { packGroups, type ModelConfig, type PackedGroup } from '@plumbline/transformer'
import type { AdapterFactors } from './adapter-factors'
import { LayerPasses } from './layer-passes'
import { differentiateOldest, type Pending } from './live-rows'
import { ModelFeeds, type FrozenWeights, type OwnWeights, type Releasable } from './model-feeds'
import type { Place, PlacedStore } from './place'
import { WholePasses } from './whole-passes'

export type { FrozenWeights } from './model-feeds'

/**
 * Scores and differentiates packed batches, and adds the gradients up in the parameter store. Token ids and cotangents go in, log-probs come
 * out; weights, activations and gradients stay in their place.
 */
export class Trainer<Tensor, Store extends PlacedStore<Tensor>, Run extends Releasable> {
  private readonly model: ModelFeeds<Tensor, Store, Run>
  private readonly whole: WholePasses<Tensor, Store, Run>
  /** One layer after the other, where the place can. */
  private readonly layers: LayerPasses<Tensor, Store, Run> | undefined
  private pending: Pending[] = []

  constructor(
    config: ModelConfig,
    own: OwnWeights<Tensor, Store>,
    private readonly place: Place<Tensor, Store, Run>,
    /** Whose factors stand beside the weights. */
    adapter?: AdapterFactors<Store>,
  ) {
    this.model = new ModelFeeds(config, own, place, adapter)
    this.whole = new WholePasses(this.model)
    this.layers = place.layerwise && new LayerPasses(this.model, place.layerwise)
  }

  /** From now on an adapter's factors are trained, and nothing else. */
  adapt(adapter: AdapterFactors<Store>): void {
    this.model.adapter = adapter
  }

  /** Compiles what a step of short sequences runs, with or without kept activations: the first step need not wait for it. */
  compile(keep: boolean): Promise<void> {
    return this.whole.compile(keep)
  }

  /**
   * Log-probs of every token of every completion, in order.
   * @param byLayers one layer after the other, for what is too long to be computed in one piece.
   */
  logProbs(groups: readonly PackedGroup[], frozen?: FrozenWeights<Tensor>, byLayers = false): Promise<Float32Array> {
    const batch = packGroups(groups)
    return byLayers ? this.byLayers.logProbs(batch, frozen) : this.whole.logProbs(batch, frozen)
  }

  /**
   * The same, remembered for a later `backward`; several may wait, first in, first out.
   * @param keep whether what the backward pass wants is kept for it: all layers' activations or, with `byLayers`, what each layer reads.
   */
  async forward(groups: readonly PackedGroup[], keep: boolean, byLayers = false): Promise<Float32Array> {
    const passes = byLayers ? this.byLayers : this.whole
    const { logProbs, pending } = await passes.forward(groups, packGroups(groups), keep)
    this.pending.push(pending)
    return logProbs
  }

  /** Adds the gradient of Σ cotangent · log-prob for the oldest waiting forward pass. */
  backward(cotangents: Float32Array): Promise<void> {
    return differentiateOldest(this.pending, cotangents)
  }

  /** Forgets waiting forward passes and accumulated gradients. */
  drop(): void {
    for (const pass of this.pending) pass.release()
    this.pending = []
    if (this.model.hasTrained) this.model.trained.clearGradients()
  }

  /** Gives back what is only held to be used again, where no pass waits. */
  async spare(): Promise<void> {
    if (this.pending.length === 0) await this.place.release()
  }

  async release(): Promise<void> {
    await this.whole.release()
    await this.layers?.release()
    this.model.release()
    await this.place.release()
  }

  private get byLayers(): LayerPasses<Tensor, Store, Run> {
    if (this.layers === undefined) throw new Error('This place does not compute layer by layer')
    return this.layers
  }
}
