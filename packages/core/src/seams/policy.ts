import type { Tokenizer } from './tokenizer'

/**
 * Opens models. A backend is a policy engine, not a tensor library: it knows how to score, train and sample one language
 * model, and nothing of losses, datasets or run folders.
 */
export interface Backend {
  /** The name it is registered and chosen by, e.g. `onnx`. */
  readonly name: string
  /** Says in one line whether this backend can run here, and why not. Must not load a model. */
  probe(): Promise<BackendProbe>
  /**
   * The files that opening a model reads, absolute: by their content the model is known again. Where it is missing, every file of a
   * model's folder counts but those that are known to be no part of one (a README, an optimizer's state).
   */
  modelFiles?(model: ModelSource): Promise<readonly string[]>
  /** Loads or initialises a model. Rejects with a PlumbError when the model cannot be read or does not fit. */
  open(model: ModelSource, options?: OpenOptions): Promise<Policy>
  /**
   * Says that it computes adapters: `open` takes a source of the kind `adapter`, and its policies train one where `TrainingPlan.lora` asks
   * for it and write it with `saveAdapter`. Nobody asks a backend for either where this is absent: PLUMB_LORA_UNSUPPORTED is said for it.
   */
  readonly lora?: true
  /**
   * What tokenising needs of a model, without its weights. Optional: where it is missing the model is opened for it. The tokenizer
   * and the length are those of the policy that `open` gives.
   */
  inspect?(model: ModelSource): Promise<ModelFacts>
  /**
   * What opening, training and sampling a model will take of the machine's memory, from its dimensions alone; undefined where a
   * device has memory of its own. Optional.
   */
  memory?(model: ModelSource, use: MemoryUse): Promise<MemoryNeeds | undefined>
  /** Says that its policies hold moments in two bytes where `TrainingPlan.moments` asks for it; nobody asks where this is absent. */
  readonly bfloat16Moments?: true
  /**
   * Whether another device of this machine trains this very model clearly faster than the one that `probe` tells, measured in a few
   * seconds, whatever the device does. Optional; asked by `backend: auto` alone, and only where it chose this backend, `probe` tells no
   * accelerated device, and no device was asked for. What goes wrong on that device is a verdict, and no error.
   */
  fasterDevice?(model: ModelSource, use: DeviceUse): Promise<DeviceVerdict>
}

/** What a device would be for. */
export interface DeviceUse {
  /** How each section that trains anything does it: what the device cannot do in one of them rules it out. */
  readonly plans: readonly TrainingPlan[]
  /** Most tokens that prompt and completion have together, where that is known before data are read. */
  readonly longest?: number
  /** Says that the other device was faster when this was measured before: it is looked for, and nothing measured. */
  readonly isKnownFaster?: boolean
  readonly signal?: AbortSignal
}

/** Of another device. `found` is a clause that says what was found, for people, e.g. with the times that were measured. */
export type DeviceVerdict =
  /** It is to be taken: `backend` opens models on it, and `probe` is that backend's. */
  | { readonly outcome: 'faster'; readonly backend: Backend; readonly probe: BackendProbe; readonly found: string }
  /** Both were measured, and it does not win clearly. */
  | { readonly outcome: 'slower'; readonly found: string }
  /** There seemed to be one, and it could not be measured. */
  | { readonly outcome: 'failed'; readonly found: string }
  /** There is none here, or none that could do what is asked for: nothing was opened. */
  | { readonly outcome: 'unasked' }

/** What a model is opened for. */
export interface MemoryUse {
  readonly plan: TrainingPlan
  /** Longest completion that is sampled; 512 when absent. */
  readonly maxNewTokens?: number
  /** Most tokens that prompt and completion have together, where that is known before data are read; the context when absent. */
  readonly longest?: number
}

/** Bytes, by what they are for. Process and weights are there always; gradients, moments and activations in training only. */
export interface MemoryNeeds {
  readonly process: number
  readonly weights: number
  readonly gradients: number
  readonly moments: number
  /** At most, with the largest micro-batch that may come. */
  readonly activations: number
  /** Keys, values and logits while completions are sampled. */
  readonly sampling: number
  /** What a frozen copy of the weights takes, where one is made (`Policy.snapshot`). */
  readonly snapshot: number
  /** What the machine has, or the container. */
  readonly available: number
  /**
   * Where more tokens than `above` at once are computed layer by layer: what activations then take, for as many as `tokens`. With 0 all are,
   * and `activations` above is that. Absent where nothing is.
   */
  readonly byLayers?: { readonly above: number; readonly tokens: number; readonly activations: number }
}

export interface ModelFacts {
  readonly tokenizer: Tokenizer
  /** Longest prompt + completion in tokens. */
  readonly contextLength: number
  /** Names of the parameters that can be frozen; absent where none can. */
  readonly parameterNames?: readonly string[]
  /** The linear modules that can carry an adapter, in the order of the computation; absent where none can. */
  readonly linearModules?: readonly LinearModule[]
  /** What is done otherwise than the model's files ask for, a sentence each: a run says them. */
  readonly notices?: readonly string[]
}

/** A linear layer y = x·Wᵀ by the name of its module, e.g. `model.layers.0.self_attn.q_proj`. */
export interface LinearModule {
  readonly name: string
  readonly inFeatures: number
  readonly outFeatures: number
}

/** How a policy is going to be trained. */
export interface TrainingPlan {
  /**
   * Parameters that stay as they are, as patterns (see `frozenParameters`). They get no gradient and no part in its norm, no optimizer
   * state and no weight decay; everything that is saved holds them bit for bit. None when absent or empty.
   */
  readonly freeze?: readonly string[]
  /**
   * How the optimizer's moments are held between steps; `float32` when absent. `bfloat16`, four bytes a parameter less: a step widens them,
   * computes in float32, and rounds what it stores to the nearest, ties to even. `saveState` then writes them as BF16.
   */
  readonly moments?: 'float32' | 'bfloat16'
  /** Trains low-rank factors beside the weights, which stay as they are, all of them; `freeze` is then absent. */
  readonly lora?: LoraPlan
}

/**
 * LoRA (Hu et al., arXiv:2106.09685): each targeted W [out, in] computes y = x·Wᵀ + s·drop(x)·Aᵀ·Bᵀ with A [rank, in] and B [out, rank]. Only A
 * and B are trained; B starts at zero, so that the model starts as what it was. Names are PEFT's, without their prefix.
 *
 * A backend that takes it
 * - gives W and every other parameter no gradient, no part in the gradient's norm, no optimizer state and no decay; A and B are matrices,
 *   and decay;
 * - draws A as PEFT does, uniformly between ±1/√in (Kaiming's with a = √5), in float32 and from `seed` and the module's name alone;
 * - drops inputs of A in `forwardBackward` only, never in `logProbs`, `generate` or a snapshot. Which ones follows from `seed`, the number of
 *   optimizer steps taken, the module's name, the group's id, and the token's place in it, and not from micro-batches or threads: a resumed
 *   run ends with the same bits;
 * - goes on with the factors of a model that was opened with an adapter, which must be of the same rank, scaling and modules
 *   (PLUMB_ADAPTER_DIFFERS).
 */
export interface LoraPlan {
  /** Columns of A·x; at most the smaller side of every targeted W. */
  readonly rank: number
  readonly alpha: number
  /** s is alpha / √rank in the place of alpha / rank (rsLoRA, Kalajdzievski, arXiv:2312.03732). */
  readonly rslora: boolean
  /** Probability that an input of A is set to 0; the others are divided by 1 − dropout. 0 for none. */
  readonly dropout: number
  /** `all-linear`: every linear module but the head. Else the modules whose name is one of these, or ends with a dot and one of these. */
  readonly targetModules: 'all-linear' | readonly string[]
  readonly seed: number
}

export interface BackendProbe {
  readonly usable: boolean
  /** The device by its own name, e.g. `CPU, 2 threads` or `NVIDIA H100 (Vulkan)`. */
  readonly device: string
  /**
   * The kind of device, e.g. `cpu`, `webgpu`, `cuda`: part of what artifacts are known by, which the device's name and the number of its
   * threads are not. `gpu` or `cpu`, by `accelerated`, when absent.
   */
  readonly kind?: string
  /** One sentence: what it would use, or what is missing and how to get it. */
  readonly detail: string
  /** Whether the device is a GPU, no software adapter: `backend: auto` prefers it. */
  readonly accelerated?: boolean
  /** What else can be asked for here, as a clause, e.g. `a GPU may be here: backend: { name: onnx, device: webgpu } takes it`. */
  readonly alternative?: string
}

/** Where a model comes from: a Hugging Face folder, random weights of a given architecture, or either with an adapter. */
export type ModelSource =
  | BaseSource
  | {
      readonly kind: 'adapter'
      readonly base: BaseSource
      /** A folder as PEFT writes it: `adapter_config.json` and `adapter_model.safetensors`. */
      readonly path: string
    }

/** A model whose weights are all its own. */
export type BaseSource =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'scratch'
      /** The fields of a Hugging Face `config.json` (`model_type`, `hidden_size`, …); `vocab_size` is taken from the tokenizer when absent. */
      readonly architecture: Readonly<Record<string, unknown>>
      /** A folder with `tokenizer.json` (and `tokenizer_config.json`), or the path of a `tokenizer.json`. */
      readonly tokenizer: string
      /** Seed of the initial weights. */
      readonly seed: number
    }

export interface OpenOptions {
  /** `cpu`, `webgpu`, `cuda`, or an adapter's name; the backend's default when absent. */
  readonly device?: string
  readonly threads?: number
  /** Upper bound on the tokens of one micro-batch, prompt counted once; a backend picks its own when absent. */
  readonly microBatchTokens?: number
  /** Keep the forward pass's activations for the backward pass, or compute them again. */
  readonly activationMemory?: 'keep' | 'recompute'
  /**
   * Says that the model's own weights are not going to be trained, though an adapter beside them may be: a backend may hold them as they are
   * stored, in fewer bytes. What is computed has the same bits.
   */
  readonly frozenBase?: boolean
}

/**
 * One model with its optimizer state: forward, forward-backward, optimizer step, sampling, saving.
 *
 * Everything is asynchronous and calls are served in order. Whoever opened a policy disposes it. No method changes the
 * weights but `optimStep` and `loadState`.
 */
export interface Policy {
  readonly info: PolicyInfo
  readonly tokenizer: Tokenizer

  /**
   * Log-probabilities of every completion token given the prompt and the tokens before it.
   *
   * @returns per group, per completion, a Float32Array [n_c] in nats; `undefined` for completions that `needed` leaves out.
   * @throws PlumbError PLUMB_NON_FINITE_LOGITS with the group's id, when one is not finite.
   */
  logProbs(groups: readonly TokenGroup[]): Promise<TokenLogProbs[][]>

  /**
   * One forward and backward pass. The gradient of the objective's loss is added to the accumulated gradients.
   *
   * The backend may split the groups into micro-batches in any way, calling the objective once per micro-batch: losses and
   * gradients add up, so the objective must already hold its normaliser. A completion whose cotangents are all exactly zero
   * needs no backward pass.
   *
   * @throws PlumbError PLUMB_NON_FINITE_LOSS with the group's id, when a log-probability or the loss is not finite; the
   *   accumulated gradients are then dropped and the weights unchanged.
   */
  forwardBackward(groups: readonly TokenGroup[], objective: Objective, options?: StepOptions): Promise<ForwardBackwardReport>

  /**
   * Says that training comes next, and how: a policy may get ready (compile, allocate) while its caller tokenises. Optional; called at
   * most once, before the first `forwardBackward` and before `loadState`.
   * A model that was opened with an adapter and is trained without `lora` is what the two make together: its weights are W + s·B·A.
   * @throws PlumbError PLUMB_FREEZE_UNKNOWN, PLUMB_FREEZE_ALL, or PLUMB_FREEZE_UNSUPPORTED from a policy that cannot freeze;
   *   PLUMB_MOMENTS_UNSUPPORTED; PLUMB_LORA_TARGET, PLUMB_LORA_RANK (see `loraModules`), PLUMB_ADAPTER_DIFFERS, or PLUMB_LORA_UNSUPPORTED.
   */
  prepareTraining?(plan: TrainingPlan): Promise<void>

  /**
   * Applies the accumulated gradients and clears them. Resolves to the global gradient norm before clipping.
   * @throws PlumbError PLUMB_NON_FINITE_GRADIENT when that norm is not finite; the weights are then unchanged. PLUMB_NON_FINITE_WEIGHTS
   *   when the step made weights that are not finite, where the engine sees it at once; at the latest `saveWeights` and `saveState` reject
   *   with it, and write nothing.
   */
  optimStep(options: AdamWOptions): Promise<OptimStepReport>

  /** Samples completions; yields each as it finishes, in any order. See {@link Sampling} for what makes it reproducible. */
  generate(prompts: readonly GenerationPrompt[], sampling: Sampling, options?: GenerateOptions): AsyncIterable<Generation>

  /** A frozen copy of today's weights that can only score; used for references that must be computed later. */
  snapshot(): Promise<FrozenPolicy>

  /**
   * Writes a Hugging Face model folder (config.json, model.safetensors, tokenizer files) that `transformers` loads. Whole or not at all.
   * Of a model with an adapter: W + s·B·A.
   */
  saveWeights(folder: string): Promise<void>
  /**
   * Writes the adapter alone, as PEFT does (adapter_config.json, adapter_model.safetensors, float32), so that PEFT loads it onto the same
   * base. Whole or not at all. There where the backend says `lora`; only of a policy that was readied with `TrainingPlan.lora`, or that was
   * opened with an adapter and not readied.
   */
  saveAdapter?(folder: string): Promise<void>
  /**
   * Writes weights and optimizer state so that `loadState` continues bit for bit. Whole or not at all. Of a policy that trains an adapter:
   * the adapter and its optimizer state; the base is what was opened.
   */
  saveState(folder: string): Promise<void>
  loadState(folder: string): Promise<void>
  dispose(): Promise<void>
}

export type FrozenPolicy = Pick<Policy, 'info' | 'logProbs' | 'dispose'>

export interface PolicyInfo {
  /** e.g. `onnx (CPU, 2 threads)`. */
  readonly engine: string
  /** e.g. `llama`. */
  readonly architecture: string
  readonly parameters: number
  /** Longest prompt + completion in tokens. */
  readonly contextLength: number
  readonly vocabularySize: number
}

/**
 * One prompt and its k completions as token ids: the unit that crosses the seam, so that a backend may compute the prompt
 * once for all candidates. Prompts start with whatever the model wants (BOS included); completions end with EOS where the
 * text ended by itself.
 */
export interface TokenGroup {
  readonly id: string
  /** At least one token. */
  readonly prompt: readonly number[]
  readonly completions: readonly (readonly number[])[]
  /** Completions the objective will read; all of them when absent. */
  readonly needed?: readonly boolean[]
}

/** [n_c] nats, one per completion token; undefined when the completion was not needed. */
export type TokenLogProbs = Float32Array | undefined

/** What an objective sees of one group: its index among the groups of the call, and log-probs per completion. */
export interface ScoredCompletions {
  readonly index: number
  readonly tokenLogProbs: readonly TokenLogProbs[]
}

/** From log-probabilities to a loss and its cotangents. Pure: same input, same output. */
export type Objective = (batch: readonly ScoredCompletions[]) => ObjectiveResult

export interface ObjectiveResult {
  /** This batch's share of the step's loss, already normalised over the whole step. */
  readonly loss: number
  /** ∂loss/∂log-prob for every group of the batch, in its order. */
  readonly cotangents: readonly (readonly Cotangent[])[]
  /** Sums over this batch; they add up over micro-batches. */
  readonly metrics?: Readonly<Record<string, number>>
}

/** One number for all tokens of a completion (a loss of the summed log-prob), or one per token. */
export type Cotangent = number | Float32Array

export interface StepOptions {
  /** Checked between micro-batches (and decoding steps); aborting rejects with `signal.reason` and drops the accumulated gradients. */
  readonly signal?: AbortSignal
}

/** What sampling takes beside. */
export interface GenerateOptions extends StepOptions {
  /**
   * Told all tokens of a completion so far, after each one that does not end it: for a person who watches. A policy that does not hand out single tokens never
   * calls it.
   */
  readonly onTokens?: (partial: Pick<Generation, 'id' | 'candidate' | 'tokens'>) => void
}

export interface ForwardBackwardReport {
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
  /** Completion tokens scored. */
  readonly completionTokens: number
  /** Tokens the engine really computed in the forward pass, prompts counted as often as they were computed. */
  readonly computedTokens: number
  readonly microBatches: number
}

/** AdamW (Loshchilov & Hutter, arXiv:1711.05101) as PyTorch defines it; decay is not applied to tensors of one dimension. */
export interface AdamWOptions {
  readonly learningRate: number
  readonly betas: readonly [number, number]
  readonly epsilon: number
  readonly weightDecay: number
  /** Global L2 norm that gradients are clipped to; no clipping when absent. */
  readonly maxGradNorm?: number
}

export interface OptimStepReport {
  /** Global L2 norm of the accumulated gradients before clipping. */
  readonly gradNorm: number
}

export interface GenerationPrompt {
  /** The question's id: with the seed and the candidate index it keys the random stream. */
  readonly id: string
  readonly prompt: readonly number[]
  /** Which candidates to sample, e.g. [0, 1, 2, 3, 4, 5]; a resumed stage asks only for the missing ones. */
  readonly candidates: readonly number[]
}

/**
 * How to choose tokens. Each candidate draws from its own stream keyed by (seed, prompt id, candidate index), so the result
 * depends neither on batching nor on order.
 */
export interface Sampling {
  readonly seed: number
  /** 0 is greedy. */
  readonly temperature: number
  /** Keep the k likeliest tokens; 0 keeps all. */
  readonly topK?: number
  /** Keep the smallest set of tokens whose probability reaches p; 1 keeps all. */
  readonly topP?: number
  readonly maxNewTokens: number
  /** Stop once the decoded completion contains one of these; the text is cut before it. */
  readonly stop?: readonly string[]
  /**
   * Tokens that end a completion beside the model's own end-of-sequence tokens, e.g. the end of a turn in the chat template. Such a
   * token is the completion's last, is not part of its text, and the finish is `eos`.
   */
  readonly endTokens?: readonly number[]
}

export interface Generation {
  readonly id: string
  readonly candidate: number
  /** Completion tokens as sampled, EOS included where it was drawn. */
  readonly tokens: readonly number[]
  /** Decoded without special tokens, cut before a stop string. */
  readonly text: string
  /** `eos`: the model ended; `stop`: a stop string; `length`: cut off by maxNewTokens or the context. */
  readonly finish: 'eos' | 'stop' | 'length'
}
