import {
  isPlumbError,
  PlumbError,
  type Logger,
  type Backend,
  type BackendProbe,
  type ModelFacts,
  type ModelSource,
  type OpenOptions,
  type Policy,
} from '@plumbline/core'
import { loadTokenizer, parameterShapes, readAdapter, sourceFiles, tokenizerPath, type Adapter } from '@plumbline/transformer'
import { factorArrays, factorShape } from './adapter'
import { folderModel, knownFacts, type FolderModel } from './model'
import { torchOptions, type TorchDevice, type TorchOptions } from './options'
import { TorchPolicy } from './policy'
import { installedIn, mayHaveGpu, missingIn } from './probe'
import { pythonOf, startCommand } from './process/command'
import type { DeviceFacts, Opened } from './process/methods'
import { leaseProcess, type Lease } from './process/start'
import { RemoteModel } from './remote'

type Settings = Pick<TorchOptions, 'attention' | 'sharding' | 'compile'>

/** Models on PyTorch, in a Python process: every architecture of transformers, on CUDA, Apple's GPUs, or the CPU. */
export class TorchBackend implements Backend {
  readonly name = 'torch'
  readonly lora = true
  readonly bfloat16Moments = true
  private readonly options: TorchOptions
  /** What was said of opened models, each once. */
  private readonly said = new Set<string>()

  constructor(
    options: Partial<TorchOptions> = {},
    private readonly logger?: Pick<Logger, 'info' | 'warn'>,
  ) {
    this.options = { ...torchOptions.parse({}), ...options }
  }

  /** Looks at what is installed; PyTorch itself is loaded only where there may be a GPU, or where a command of the user's starts it. */
  async probe(): Promise<BackendProbe> {
    const { device, launch, python } = this.options
    try {
      if (launch === undefined) {
        const chosen = pythonOf(python)
        const installed = await installedIn(chosen)
        const missing = missingIn(chosen, installed)
        if (missing !== undefined) return { usable: false, device: 'none', detail: missing }
        if (device === 'cpu' || (device === 'auto' && !mayHaveGpu(installed))) {
          const detail = `PyTorch ${installed.torch} and transformers ${installed.transformers} on the CPU.`
          return { usable: true, device: 'CPU', kind: 'cpu', detail, accelerated: false }
        }
      }
      return this.describe(await this.ask(device))
    } catch (error) {
      if (!isPlumbError(error)) throw error
      return { usable: false, device: 'none', detail: error.message.split('\n')[0]! }
    }
  }

  async open(source: ModelSource, options: OpenOptions = {}): Promise<Policy> {
    const settings = { ...this.options, ...definedOnly(options) }
    const device = toDevice(settings.device)
    const tokenizer = await loadTokenizer(tokenizerPath(source))
    const model = await folderModel(source.kind === 'adapter' ? source.base : source, tokenizer)
    const lease = await this.lease()
    try {
      const adapter = source.kind === 'adapter' ? await givenAdapter(source.path, model) : undefined
      const { dtype = await this.defaultDtype(lease, device), threads, activationMemory, attention, sharding, microBatchTokens } = settings
      const { result: opened } = await lease.channel.call('open', {
        folder: model.path,
        device,
        dtype,
        recompute: activationMemory === 'recompute',
        attention,
        sharding,
        compile: settings.compile ?? false,
        threads,
      })
      const remote = new RemoteModel(lease.channel, opened.model)
      if (adapter) await remote.call('adapt', factorShape(adapter), factorArrays(adapter))
      const { config, contextLength } = model
      this.say(opened, dtype, settings)
      return new TorchPolicy({
        remote,
        info: {
          engine: `torch (${[opened.device, numbersOf(dtype), ...formOf(opened, settings)].join(', ')})`,
          architecture: opened.architecture,
          parameters: opened.count,
          contextLength,
          vocabularySize: opened.vocabulary,
        },
        tokenizer,
        model,
        source,
        parameters: config ? parameterShapes(config) : statedShapes(opened),
        linearModules: opened.linearModules,
        isTransposed: opened.transposed.some((name) => opened.linearModules.some((each) => `${each.name}.weight` === name)),
        adapter,
        microBatchTokens: microBatchTokens ?? opened.microBatchRows,
        release: () => lease.release(),
      })
    } catch (error) {
      lease.release()
      throw error
    } finally {
      await model.dispose()
    }
  }

  modelFiles(source: ModelSource): Promise<readonly string[]> {
    return sourceFiles(source)
  }

  /** Families that only transformers knows are asked of it, without their weights. */
  async inspect(source: ModelSource): Promise<ModelFacts> {
    const known = await knownFacts(source)
    if (known.parameterNames || source.kind !== 'folder') return known
    const lease = await this.lease()
    try {
      const { parameters, linearModules } = (await lease.channel.call('inspect', { folder: source.path })).result
      return { ...known, parameterNames: parameters.map(({ name }) => name), linearModules }
    } finally {
      lease.release()
    }
  }

  /** Which numbers and which form of the rows were chosen; what is slower than it might be is a warning. */
  private say(opened: Opened, dtype: 'bf16' | 'f32', settings: Settings): void {
    const { device, paddedBecause, architecture, attentionBecause } = opened
    const rows =
      paddedBecause === null ? 'packed rows, prompts computed once' : `a padded row for each candidate (${architecture}: ${paddedBecause})`
    const why = [
      ...(attentionBecause === null ? [] : [`attention is sdpa and not ${settings.attention}: ${attentionBecause}`]),
      ...(settings.sharding === 'full' && opened.ranks === 1 ? ['sharding: full has no effect on one process'] : []),
    ]
    const message = `PyTorch on ${device}: ${[numbersOf(dtype), rows, ...formOf(opened, settings).slice(1), ...why].join(', ')}.`
    if (this.said.has(message)) return
    this.said.add(message)
    if ((paddedBecause === null || paddedBecause === 'as asked for') && why.length === 0) this.logger?.info(message)
    else this.logger?.warn(message)
  }

  private async ask(device: TorchDevice): Promise<DeviceFacts> {
    const lease = await this.lease()
    try {
      return (await lease.channel.call('describe', { device })).result
    } finally {
      lease.release()
    }
  }

  /** @throws PlumbError PLUMB_TORCH_PACKAGE before seconds are spent on a start that would fail. */
  private async lease(): Promise<Lease> {
    const { launch, python } = this.options
    if (launch === undefined) {
      const chosen = pythonOf(python)
      const missing = missingIn(chosen, await installedIn(chosen))
      if (missing !== undefined) throw new PlumbError('PLUMB_TORCH_PACKAGE', missing, 'backend.python')
    }
    return leaseProcess(startCommand(this.options))
  }

  private async defaultDtype({ channel }: Lease, device: TorchDevice): Promise<'bf16' | 'f32'> {
    return (await channel.call('describe', { device })).result.kind === 'cuda' ? 'bf16' : 'f32'
  }

  private describe({ kind, name, versions }: DeviceFacts): BackendProbe {
    const numbers = numbersOf(this.options.dtype ?? (kind === 'cuda' ? 'bf16' : 'f32'))
    const detail = `PyTorch ${versions.torch} and transformers ${versions.transformers} on ${name}, ${numbers}.`
    return { usable: true, device: `${name}, ${numbers}`, kind, detail, accelerated: kind === 'cuda' }
  }
}

function definedOnly(options: OpenOptions): OpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

const numbersOf = (dtype: 'bf16' | 'f32') => (dtype === 'bf16' ? 'bfloat16 over float32 weights' : 'float32')

/** How rows are computed, and what of it is not the usual. */
function formOf({ paddedBecause, attention, ranks }: Opened, settings: Pick<Settings, 'compile'>): string[] {
  return [
    paddedBecause === null ? 'packed rows' : `padded rows: ${paddedBecause}`,
    ...(paddedBecause === null && attention !== 'sdpa' ? [`attention by ${attention}`] : []),
    ...(settings.compile ? ['compiled layers'] : []),
    ...(ranks > 1 ? [`weights in parts at ${ranks} ranks`] : []),
  ]
}

/** As training states have them. */
function statedShapes({ parameters, transposed }: Opened): Map<string, readonly number[]> {
  return new Map(parameters.map(({ name, shape }) => [name, transposed.includes(name) ? [...shape].reverse() : shape]))
}

async function givenAdapter(path: string, { config }: FolderModel): Promise<Adapter> {
  if (config) return readAdapter(path, config)
  throw new PlumbError('PLUMB_ADAPTER_UNSUPPORTED', 'Adapters of families that only transformers knows are trained, not opened.', path)
}

/** @throws PlumbError PLUMB_DEVICE_UNSUPPORTED */
function toDevice(device: string): TorchDevice {
  if (device === 'auto' || device === 'cuda' || device === 'mps' || device === 'cpu') return device
  const message = `The torch backend does not run on device "${device}"; expected "auto", "cuda", "mps" or "cpu".`
  throw new PlumbError('PLUMB_DEVICE_UNSUPPORTED', message, 'backend.device')
}
