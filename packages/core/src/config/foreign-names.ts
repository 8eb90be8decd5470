/**
 * What other tools call things, and what stands for it here. Names are compared without case, `_` and `-`, so that `lora_alpha`, `lora-alpha`
 * and `loraAlpha` are one. Read off the dataclasses of TRL 1.13 and transformers 5 (`DPOConfig`, `SFTConfig`, `KTOConfig`, `ModelConfig`),
 * PEFT's `LoraConfig`; those of LLaMA-Factory, axolotl and mlx-lm as they are known, not read off a version.
 */

type Row = readonly [names: string, says: string]

const TRAINING = 'in sft and in each variant of align'
const LORA = 'a section of sft and of each variant of align'

/** Things that are here under another name. */
const RENAMED: readonly Row[] = [
  ['lr learning_rate peak_lr', `learningRate, ${TRAINING}`],
  ['num_train_epochs num_epochs n_epochs nb_epochs', `epochs, ${TRAINING}`],
  ['max_steps iters num_steps train_steps total_steps', `steps, ${TRAINING}`],
  [
    'batch_size train_batch_size per_device_train_batch_size per_device_batch_size micro_batch_size global_batch_size effective_batch_size gradient_accumulation_steps grad_accumulation_steps accumulate_grad_batches gradient_accumulation',
    `batchSize, ${TRAINING}: the questions of one optimizer step, which is split into as many micro-batches as the memory asks for (the product of the batch size and the accumulation steps of other tools)`,
  ],
  ['warmup warmup_ratio warmup_iters num_warmup_steps lr_warmup_steps', `warmupSteps, ${TRAINING}: a number of steps`],
  ['lr_scheduler lr_scheduler_type scheduler lr_schedule', `schedule, ${TRAINING}: constant, linear or cosine`],
  ['lr_scheduler_kwargs cosine_min_lr_ratio min_lr_ratio min_lr min_lr_rate', `finalLearningRateRatio, ${TRAINING}`],
  ['adam_beta1 adam_beta2 adam_betas optimizer_betas', `betas, ${TRAINING}: [β₁, β₂]`],
  ['adam_epsilon adam_eps eps', `epsilon, ${TRAINING}`],
  ['wd decay', `weightDecay, ${TRAINING}`],
  ['clip_grad_norm gradient_clipping grad_clip max_norm gradient_clip_val', `maxGradNorm, ${TRAINING}`],
  ['save_steps save_every save_strategy saves_per_epoch checkpointing_steps save_total_limit', `checkpointEvery, ${TRAINING}`],
  [
    'eval_steps evaluation_strategy eval_strategy steps_per_eval evals_per_epoch do_eval',
    `validateEvery, ${TRAINING}, beside data.validation`,
  ],
  ['use_peft peft peft_config lora_config lora_parameters finetuning_type fine_tune_type adapter', `lora, ${LORA}; {} takes its defaults`],
  ['lora', `${LORA}; {} takes its defaults`],
  ['r lora_r lora_rank', `rank, in lora, ${LORA}`],
  ['lora_alpha scale', `alpha, in lora, ${LORA}`],
  ['lora_dropout', `dropout, in lora, ${LORA}`],
  ['use_rslora rs_lora', `rslora, in lora, ${LORA}`],
  ['target_modules lora_target lora_target_modules lora_target_linear lora_modules', `targetModules, in lora, ${LORA}`],
  ['freeze_trainable_layers freeze_layers num_layers unfrozen_parameters lora_layers', `freeze, ${TRAINING}: parameters by name`],
  [
    'optim optimizer optimizer_type',
    `always AdamW: learningRate, betas, epsilon, weightDecay and moments, ${TRAINING} (8-bit optimizers: moments: bfloat16 is what comes nearest)`,
  ],
  [
    'max_length max_seq_length max_seq_len sequence_len cutoff_len max_target_length max_tokens_per_sample truncation truncation_mode excess_length_strategy model_max_length',
    'lengths: { maxPromptTokens, maxCompletionTokens, onTooLong: error | skip | truncate }; without it the context of the model is the limit',
  ],
  ['max_prompt_length max_prompt_len', 'lengths.maxPromptTokens, with lengths.onTooLong: error, skip or truncate'],
  ['max_completion_length max_completion_len', 'lengths.maxCompletionTokens for answers of the data, sample.maxNewTokens for sampled ones'],
  ['max_tokens max_new_tokens max_gen_tokens', 'maxNewTokens, in sample and in evaluate'],
  ['num_generations num_return_sequences n_samples num_samples best_of', 'sample.k'],
  ['top_k', 'sample.topK'],
  ['top_p nucleus', 'sample.topP'],
  ['temp', 'sample.temperature'],
  ['stop_strings stop_sequences stop_words', 'stop, in sample and in evaluate'],
  ['model_name_or_path base_model pretrained_model_name_or_path model_path model_id', 'model: a folder'],
  ['adapter_name_or_path adapter_path lora_model_dir peft_model', 'model: { base: FOLDER, adapter: FOLDER }'],
  ['dataset datasets dataset_name train_file train_data data_path train_dataset data_files', 'data.train: { path, format }'],
  ['dataset_dir dataset_config dataset_split train_split', 'data.train.path: the file itself'],
  [
    'eval_dataset validation_file val_data eval_file valid_data val_size val_set_size validation_split eval_split',
    'data.validation (watched while training) or data.test (for the closing table): a file',
  ],
  ['max_samples max_train_samples num_samples_per_dataset', 'limit, in a source of data: data.train.limit'],
  ['formatting columns_mapping field_messages dataset_text_field', 'columns and format, in a source of data'],
  ['interleave_probs probabilities mix_strategy', 'weight, in each of several sources, and data.mixStrategy'],
  [
    'template chat_template chat_template_path',
    'prompt: { chat: auto | true | false, template }; the chat template is the one of the model',
  ],
  ['system_prompt system_message default_system', 'prompt.system'],
  ['enable_thinking', 'prompt.chatTemplateKwargs: { enable_thinking: … }'],
  ['output_dir save_dir logging_dir run_dir', 'run: the run folder'],
  [
    'report_to wandb wandb_project wandb_run_id run_name use_wandb tensorboard trackio trackio_space_id comet_project_name use_swanlab use_mlflow mlflow project_name logger loggers callbacks',
    'reporters, at the top level: reporters: [tensorboard] writes event files for TensorBoard; W&B, trackio, MLflow and others are plugins, some of them there to be copied (docs/reporters.md). Without any, metrics.jsonl in the run folder has every figure',
  ],
  ['data_seed random_seed', 'seed'],
  ['stage rl training_type method trainer algorithm', 'align: { loss: dpo, … }, or another loss'],
  ['loss_type pref_loss rl_loss', 'lossType, of the loss dpo; another method is another loss: align: { loss: … }'],
  ['pref_beta dpo_beta rl_beta', 'dpoBeta, of the loss dpo (beta is the margin of constraint: boundary)'],
  ['label_smoothing label_smoothing_factor dpo_label_smoothing', 'labelSmoothing, of the loss dpo'],
  [
    'rpo_alpha pref_ftx sft_weight nll_loss_weight',
    'the weight of { loss: sft } beside the loss: losses: [{ loss: sft, weight: … }, { loss: dpo }]',
  ],
  ['loss_weights', 'weight, in each entry of losses'],
  [
    'gradient_checkpointing grad_checkpoint gradient_checkpointing_kwargs activation_checkpointing',
    'backend: { name: onnx, activationCheckpointing: layers }, or { name: torch, activationMemory: recompute }',
  ],
  ['num_threads n_threads nproc dataloader_num_workers dataset_num_proc preprocessing_num_workers', 'backend: { name: onnx, threads: … }'],
  ['use_cpu no_cuda device_map', 'backend: { name: onnx, device: … }'],
]

/** Things that are not here, with what to do. */
const ABSENT: readonly Row[] = [
  [
    'bf16 fp16 tf32 half mixed_precision precision dtype torch_dtype',
    'everything is computed in float32; moments: bfloat16 saves memory, and lora more',
  ],
  [
    'load_in_8bit load_in_4bit quantization quantization_bit quantization_config bnb_4bit_compute_dtype bnb_4bit_quant_type qlora use_bnb_nested_quant',
    'weights are not quantised; lora: {} and moments: bfloat16 save memory (docs/memory.md)',
  ],
  [
    'use_dora dora pissa_init loraplus_lr_ratio modules_to_save init_lora_weights',
    'of the ways to adapt a model there is LoRA, with rslora as an option',
  ],
  [
    'logging_steps log_steps steps_per_report log_level logging_strategy plot_loss',
    'every step is logged, in metrics.jsonl in the run folder',
  ],
  [
    'deepspeed fsdp fsdp_config ddp ddp_timeout ddp_find_unused_parameters num_gpus tensor_parallel_size nproc_per_node parallelism_config',
    'a run uses one machine and one device; its variants can be trained by several processes on one run folder (--variant)',
  ],
  [
    'flash_attn flash_attention attn_implementation use_liger_kernel liger_kernel use_unsloth torch_compile',
    'there is nothing to choose: one engine computes every model',
  ],
  ['push_to_hub hub_model_id hub_token hub_strategy', 'nothing is sent anywhere; plumb export writes the folder that "hf upload" takes'],
  [
    'load_best_model_at_end metric_for_best_model early_stopping early_stopping_patience',
    'the last step is what counts; data.validation shows where steps should end',
  ],
  ['neftune_noise_alpha', 'no noise is added to embeddings'],
]

/** Things that need no key here, with the reason. */
const NEEDLESS: readonly Row[] = [
  ['trust_remote_code', 'no code of a model is ever run; docs/models.md says which models are known'],
  ['resume resume_from_checkpoint resume_adapter_file auto_resume_from_checkpoints', 'the same command goes on where it stopped'],
  ['ref_model reference_model ref_model_path', 'the reference is the model that the variant starts from (startFrom: sft | base)'],
  ['precompute_ref_log_probs', 'log-probabilities of the reference are computed once and kept'],
  ['packing sample_packing eval_packing pad_to_sequence_len padding_free pack_to_max_length neat_packing', 'batches hold no padding'],
  ['train_on_inputs train_on_prompt mask_prompt completion_only_loss assistant_only_loss', 'answers are trained, prompts never are'],
  [
    'remove_unused_columns group_by_length',
    'columns that a format does not read are left alone or refused, and batches are made by length',
  ],
]

/** The lists as a table in Markdown, for docs/coming-from.md. */
export function foreignNamesTable(): string {
  const rows: readonly Row[] = [
    ...RENAMED,
    ...NEEDLESS.map(([names, says]): Row => [names, `needs no key: ${says}`]),
    ...ABSENT.map(([names, says]): Row => [names, `not here: ${says}`]),
  ]
  // A vertical line would end the cell.
  const line = ([names, says]: Row) => `| ${names.replaceAll(/\S+/g, '`$&`')} | ${says.replaceAll('|', '\\|')} |`
  return ['| there | here |', '| --- | --- |', ...rows.map(line)].join('\n')
}

/** A name without what tools write differently. */
export const plain = (name: string): string => name.toLowerCase().replace(/[-_]/g, '')

/** Of each name, without case and marks, what is said of it. */
export const FOREIGN_NAMES: ReadonlyMap<string, string> = new Map(
  [
    ...ABSENT.map(([names, says]) => [names, `That is not here: ${says}.`] as const),
    ...NEEDLESS.map(([names, says]) => [names, `Here it needs no key: ${says}.`] as const),
    ...RENAMED.map(([names, says]) => [names, `Here it is ${says}.`] as const),
  ].flatMap(([names, sentence]) => names.split(' ').map((name): [string, string] => [plain(name), sentence])),
)

/** What stands here for a key of another tool, as a sentence; undefined for names that are not known. */
export function foreignName(key: string): string | undefined {
  return FOREIGN_NAMES.get(plain(key))
}
