import {
  isPlumbError,
  PlumbError,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core'
import { inspectModel, loadModel, openUntokenizedModel, sourceFiles } from '@plumbline/transformer'
import { Engine } from './engine'
import { loadLibrary, type Device } from './library'
import { GpuPolicy } from './policy'

/** Rows of one micro-batch: small enough for the attention scores of a small GPU, large enough to fill it. */
const MICRO_BATCH_TOKENS = 4096

/** Models on TensorFlow.js: CUDA through `@tensorflow/tfjs-node-gpu`, else the CPU through `@tensorflow/tfjs-node`. */
export class GpuBackend implements Backend {
  readonly name = 'gpu'
  readonly lora = true

  constructor(private readonly options: OpenOptions = {}) {}

  async probe(): Promise<BackendProbe> {
    try {
      const wanted = toDevice(this.options.device)
      const { device, accelerated } = loadLibrary(wanted)
      const kind = wanted === 'javascript' ? wanted : accelerated ? 'cuda' : 'cpu'
      return { usable: true, device, kind, detail: `TensorFlow.js on ${device}.`, accelerated }
    } catch (error) {
      if (!isPlumbError(error)) throw error
      return { usable: false, device: 'none', detail: error.message }
    }
  }

  async open(model: ModelSource, options: OpenOptions = {}): Promise<Policy> {
    const { device: wanted, microBatchTokens = MICRO_BATCH_TOKENS } = { ...this.options, ...options }
    const { backend, device } = loadLibrary(toDevice(wanted))
    const loaded = await loadModel(model)
    const base = model.kind === 'adapter' ? model.base : model
    const openBase = async () => (await openUntokenizedModel(base, loaded.tokenizer)).weights
    return new GpuPolicy(new Engine(backend), { ...loaded, source: model, openBase }, device, microBatchTokens)
  }

  modelFiles(model: ModelSource): Promise<readonly string[]> {
    return sourceFiles(model)
  }

  inspect(model: ModelSource): Promise<ModelFacts> {
    return inspectModel(model)
  }
}

/** @throws PlumbError PLUMB_DEVICE_UNSUPPORTED */
function toDevice(device: string | undefined): Device | undefined {
  if (device === undefined || device === 'cuda' || device === 'cpu' || device === 'javascript') return device
  throw new PlumbError('PLUMB_DEVICE_UNSUPPORTED', `The gpu backend does not run on device "${device}"; expected "cuda" or "cpu".`)
}
