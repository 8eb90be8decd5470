import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loraModules, type LoraPlan } from '@plumbline/core'
import {
  hubName,
  initialAdapter,
  inspectModel,
  linearModules,
  parseAdapterConfig,
  readAdapter,
  readModelConfig,
  readSafetensors,
  requireSameAdapter,
  scalingOf,
  wordLevelTokenizerJson,
  writeAdapter,
  writeSafetensors,
  type Adapter,
  type ModelConfig,
  type WeightTensor,
} from '../src'
import { inFreshFolder } from './support/folders'
import { PEFT } from './support/peft'

let config: ModelConfig
beforeAll(async () => {
  ;({ config } = await readModelConfig(join(PEFT, 'base')))
})

const read = (name: string): Promise<Adapter> => readAdapter(join(PEFT, name), config)

describe('an adapter that PEFT wrote', () => {
  it.each([
    ['all-linear', 14, { rank: 4, alpha: 8, rslora: false, dropout: 0 }, 2],
    ['all-linear-rslora', 14, { rank: 3, alpha: 5, rslora: true, dropout: 0 }, 5 / Math.sqrt(3)],
    ['q-v', 4, { rank: 4, alpha: 8, rslora: false, dropout: 0.1 }, 2],
    ['regex', 4, { rank: 2, alpha: 4, rslora: false, dropout: 0 }, 2],
    ['one-layer', 1, { rank: 2, alpha: 4, rslora: false, dropout: 0 }, 2],
  ])('%s: %i modules with their factors, and its scaling', async (name, count, says, scaling) => {
    const { config: found, factors } = await read(name)
    expect(found).toMatchObject({ ...says, baseName: '../base' })
    expect(scalingOf(found)).toBeCloseTo(scaling, 12)
    expect(factors.size).toBe(count)
    const stored = await readSafetensors(join(PEFT, name, 'adapter_model.safetensors'))
    for (const [module, { A, B }] of factors) {
      expect(A).toEqual(stored.get(`base_model.model.${module}.lora_A.weight`))
      expect(B).toEqual(stored.get(`base_model.model.${module}.lora_B.weight`))
    }
  })

  it.each(['bfloat16', 'float16'])('in %s has the rounded numbers', async (name) => {
    const [half, full] = [await read(name), await read('q-v')]
    expect([...half.factors.keys()]).toEqual([...full.factors.keys()])
    const bound = name === 'bfloat16' ? 2 ** -8 : 2 ** -10
    for (const [module, { A }] of half.factors) {
      const exact = full.factors.get(module)!.A.data
      expect(A.data).not.toEqual(exact)
      for (const [i, value] of A.data.entries()) expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(bound * Math.abs(exact[i]!))
    }
  })

  it('written again, says the same: to us, and in the same bytes', async () => {
    await inFreshFolder(async (folder) => {
      const adapter = await read('q-v')
      await writeAdapter(join(folder, 'a'), adapter)
      await writeAdapter(join(folder, 'b'), adapter)
      expect(await readAdapter(join(folder, 'a'), config)).toEqual(adapter)
      for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
        expect(await readFile(join(folder, 'a', name))).toEqual(await readFile(join(folder, 'b', name)))
      }
      expect(await readSafetensors(join(folder, 'a', 'adapter_model.safetensors'))).toEqual(
        await readSafetensors(join(PEFT, 'q-v', 'adapter_model.safetensors')),
      )
      // Every field that we write has the value that PEFT wrote of the same adapter.
      const [ours, theirs] = [await jsonOf(join(folder, 'a')), await jsonOf(join(PEFT, 'q-v'))]
      expect({ ...theirs, ...ours, target_modules: sorted(ours) }).toEqual({ ...theirs, target_modules: sorted(theirs) })
    })
  })
})

const jsonOf = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown> & { target_modules: string[] }
const sorted = ({ target_modules: names }: { target_modules: string[] }) => [...names].sort()

const plan: LoraPlan = { rank: 3, alpha: 6, rslora: false, dropout: 0, targetModules: 'all-linear', seed: 7 }

describe('an adapter before training', () => {
  it('adds nothing; A is uniform between ±1/√in, from the seed and the name of the module alone', () => {
    const wide = { ...config, hiddenSize: 400, headDim: 100, layers: 1 }
    const modules = linearModules(wide)
    const { factors } = initialAdapter(plan, modules)
    expect(modules.map(({ name }) => name)).toEqual([...factors.keys()])
    for (const { name, inFeatures, outFeatures } of modules) {
      const { A, B } = factors.get(name)!
      expect([A.shape, B.shape]).toEqual([[3, inFeatures], [outFeatures, 3]]) // prettier-ignore
      expect(B.data.every((value) => value === 0)).toBe(true)
      const bound = 1 / Math.sqrt(inFeatures)
      expect(Math.max(...A.data.map(Math.abs))).toBeLessThanOrEqual(bound)
    }
    // the moments of a uniform distribution: 0, bound²/3
    const { data } = factors.get('model.layers.0.self_attn.q_proj')!.A
    const [mean, square] = [data.reduce((sum, v) => sum + v, 0) / data.length, data.reduce((sum, v) => sum + v * v, 0) / data.length]
    expect(Math.abs(mean)).toBeLessThan((4 * 0.05) / Math.sqrt(3 * data.length))
    expect(Math.abs(square * 3 * 400 - 1)).toBeLessThan(0.1)
    expect(new Set(data).size).toBeGreaterThan(0.99 * data.length)

    const few = initialAdapter({ ...plan, targetModules: ['q_proj'] }, loraModules({ ...plan, targetModules: ['q_proj'] }, modules))
    expect(few.factors.get('model.layers.0.self_attn.q_proj')!.A.data).toEqual(data)
    const other = initialAdapter({ ...plan, seed: 8 }, modules)
    expect(other.factors.get('model.layers.0.self_attn.q_proj')!.A.data).not.toEqual(data)
  })

  it('of all linear layers names the last parts of their names, as every reader of the format knows them', async () => {
    await inFreshFolder(async (folder) => {
      await writeAdapter(join(folder, 'new'), initialAdapter(plan, linearModules(config), 'SmolLM2-135M'))
      const json = await jsonOf(join(folder, 'new'))
      expect(json.target_modules).toEqual(['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj'])
      expect(json.base_model_name_or_path).toBe('SmolLM2-135M')
      expect((await readAdapter(join(folder, 'new'), config)).factors.size).toBe(14)
    })
  })

  it('is gone on with only by a plan of the same rank, scaling and modules', async () => {
    const adapter = await read('all-linear')
    const modules = linearModules(config)
    const same = { ...plan, rank: 4, alpha: 8, dropout: 0.3 }
    expect(() => requireSameAdapter(adapter, same, modules, 'sft: lora')).not.toThrow()
    const check =
      (other: LoraPlan, chosen = modules) =>
      () =>
        requireSameAdapter(adapter, other, chosen, 'sft: lora')
    for (const other of [
      { ...same, rank: 3 },
      { ...same, alpha: 9 },
      { ...same, rslora: true },
    ]) {
      expect(check(other)).toThrow(expect.objectContaining({ code: 'PLUMB_ADAPTER_DIFFERS', where: 'sft: lora' }))
    }
    expect(check(same, modules.slice(1))).toThrow('has factors for model.layers.0.self_attn.q_proj')
    const few = await read('q-v')
    expect(() => requireSameAdapter(few, same, modules, '')).toThrow('has no factors for model.layers.0.self_attn.k_proj')
  })
})

describe('the name of a base', () => {
  it.each([
    ['models--someone--tiny/snapshots/abc', { _name_or_path: 'other/name' }, 'someone/tiny'],
    ['mine', { _name_or_path: 'someone/tiny' }, 'someone/tiny'],
    ['mine', { _name_or_path: '/home/me/tiny' }, undefined],
    ['mine', { _name_or_path: './tiny' }, undefined],
    ['someone/tiny', {}, undefined],
  ])('%s with %j: %s', async (place, json, name) => {
    await inFreshFolder(async (folder) => {
      const path = join(folder, place)
      await mkdir(path, { recursive: true })
      await writeFile(join(path, 'config.json'), JSON.stringify(json))
      expect(await hubName({ kind: 'folder', path })).toBe(name)
    })
  })
})

describe('an adapter that does not fit is one sentence', () => {
  const base = { peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['q_proj'] }

  it.each([
    ['use_dora', true],
    ['modules_to_save', ['lm_head']],
    ['rank_pattern', { q_proj: 2 }],
    ['alpha_pattern', { q_proj: 2 }],
    ['bias', 'lora_only'],
    ['lora_bias', true],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 'loftq'],
    ['layer_replication', [[0, 1]]],
    ['trainable_token_indices', [1]],
    ['target_parameters', ['mlp.experts.gate_up_proj']],
    ['peft_type', 'IA3'],
    ['of_a_later_version', 1],
  ])('what is not computed is refused by the name of the field: %s %j', (field, value) => {
    const parse = () => parseAdapterConfig({ ...base, [field]: value }, 'here')
    expect(parse).toThrow(expect.objectContaining({ code: 'PLUMB_ADAPTER_UNSUPPORTED', where: 'here' }))
    expect(parse).toThrow(new RegExp(`^${field} .* is not supported; supported: .*\\.$`))
  })

  it('what decides nothing passes, whatever it says', () => {
    const notes = {
      fan_in_fan_out: true,
      inference_mode: true,
      revision: 'main',
      peft_version: '9',
      task_type: 'CAUSAL_LM',
      init_lora_weights: 'gaussian',
    }
    expect(parseAdapterConfig({ ...base, ...notes, of_a_later_version: null, another: [], a_third: false }, 'here')).toEqual({
      rank: 4,
      alpha: 8,
      rslora: false,
      dropout: 0,
      targetModules: ['q_proj'],
    })
  })

  it.each([
    ['r', undefined, 'r is missing; expected a positive whole number.'],
    ['r', 0, 'r is 0; expected a positive whole number.'],
    ['r', '4', 'r is "4"; expected a positive whole number.'],
    ['lora_alpha', null, 'lora_alpha is missing; expected a number.'],
    ['lora_dropout', 2, 'lora_dropout is 2; expected a number from 0 to 1.'],
    ['use_rslora', 'yes', 'use_rslora is "yes"; expected true or false.'],
    ['target_modules', [], 'target_modules is []; expected a text or a list of texts.'],
    ['target_modules', undefined, 'target_modules is missing; expected a text or a list of texts.'],
  ])('%s as %j', (field, value, message) => {
    expect(() => parseAdapterConfig({ ...base, [field]: value }, 'here')).toThrow(
      expect.objectContaining({ code: 'PLUMB_ADAPTER_CONFIG', message }),
    )
  })

  /** An adapter's folder, and what it says of the model when it is read. */
  async function refusal(
    change: (files: { folder: string; tensors: Map<string, WeightTensor>; json: Record<string, unknown> }) => Promise<unknown> | undefined,
    model: ModelConfig = config,
  ): Promise<unknown> {
    return inFreshFolder(async (folder) => {
      const adapter = join(folder, 'adapter')
      await cp(join(PEFT, 'q-v'), adapter, { recursive: true })
      const weights = join(adapter, 'adapter_model.safetensors')
      const [tensors, json] = [await readSafetensors(weights), await jsonOf(adapter)]
      await writeSafetensors(weights, tensors)
      if ((await change({ folder: adapter, tensors, json })) !== 'written') {
        await writeSafetensors(weights, tensors)
        await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify(json))
      }
      return readAdapter(adapter, model).then(
        () => 'was read',
        (error: unknown) => error,
      )
    })
  }

  const q0 = 'base_model.model.model.layers.0.self_attn.q_proj'

  it('for a base with fewer layers, or other shapes', async () => {
    expect(await refusal(() => undefined, { ...config, layers: 1 })).toMatchObject({
      code: 'PLUMB_ADAPTER_BASE',
      message:
        'The adapter is of another base (it was trained on "../base"): it has factors for model.layers.1.self_attn.q_proj, which this model does not have.',
    })
    expect(await refusal(() => undefined, { ...config, hiddenSize: 32, headDim: 8 })).toMatchObject({
      code: 'PLUMB_ADAPTER_BASE',
      message: expect.stringContaining(
        `${q0}.lora_A.weight has shape [4, 16], and model.layers.0.self_attn.q_proj of this model is [32, 32].`,
      ) as string,
    })
  })

  it.each<[string, string, Parameters<typeof refusal>[0], RegExp]>([
    [
      'with factors of the head',
      'PLUMB_ADAPTER_UNSUPPORTED',
      async ({ tensors }) => void tensors.set('base_model.model.lm_head.lora_A.weight', { shape: [1, 1], data: new Float32Array(1) }),
      /^Factors for lm_head are not computed/,
    ],
    [
      'with factors of the embedding',
      'PLUMB_ADAPTER_UNSUPPORTED',
      async ({ tensors }) =>
        void tensors.set('base_model.model.model.embed_tokens.lora_embedding_A', { shape: [1, 1], data: new Float32Array(1) }),
      /^Tensor .*lora_embedding_A is no factor A or B/,
    ],
    [
      'with a tensor missing',
      'PLUMB_ADAPTER_TENSOR',
      async ({ tensors }) => void tensors.delete(`${q0}.lora_B.weight`),
      /q_proj.lora_B.weight is missing\.$/,
    ],
    [
      'with a module missing',
      'PLUMB_ADAPTER_TENSOR',
      async ({ tensors }) => [tensors.delete(`${q0}.lora_A.weight`), tensors.delete(`${q0}.lora_B.weight`)],
      /q_proj.lora_A.weight is missing, which target_modules/,
    ],
    ['with no factors', 'PLUMB_ADAPTER_TENSOR', async ({ tensors }) => tensors.clear(), /^The adapter holds no factors/],
    [
      'of another rank than its config says',
      'PLUMB_ADAPTER_TENSOR',
      async ({ json }) => void (json.r = 2),
      /has shape \[4, 16\]; a rank of 2 asks for another/,
    ],
    [
      'with modules that its config does not name',
      'PLUMB_ADAPTER_TENSOR',
      async ({ json }) => void (json.target_modules = ['v_proj']),
      /has factors for model.layers.0.self_attn.q_proj, which target_modules/,
    ],
    [
      'with numbers that are not finite',
      'PLUMB_NON_FINITE_WEIGHTS',
      async ({ tensors }) => void (tensors.get(`${q0}.lora_A.weight`)!.data[3] = NaN),
      /q_proj.lora_A.weight holds numbers that are not finite/,
    ],
    [
      'without weights',
      'PLUMB_ADAPTER_NOT_FOUND',
      async ({ folder }) => (await rm(join(folder, 'adapter_model.safetensors')), 'written'),
      /no adapter_model.safetensors \(adapter_model.bin is not read\)/,
    ],
    [
      'without a config',
      'PLUMB_ADAPTER_NOT_FOUND',
      async ({ folder }) => (await rm(join(folder, 'adapter_config.json')), 'written'),
      /^There is no adapter here/,
    ],
    [
      'whose config is no JSON',
      'PLUMB_ADAPTER_CONFIG',
      async ({ folder }) => (await writeFile(join(folder, 'adapter_config.json'), '{'), 'written'),
      /^This is not valid JSON/,
    ],
    [
      'whose config is a list',
      'PLUMB_ADAPTER_CONFIG',
      async ({ folder }) => (await writeFile(join(folder, 'adapter_config.json'), '[]'), 'written'),
      /^This is not a JSON object/,
    ],
  ])('%s', async (_, code, change, message) => {
    // prettier-ignore
    expect(await refusal(change)).toMatchObject({ code, message: expect.stringMatching(message) as string })
  })

  it('is not written over something else', async () => {
    await inFreshFolder(async (folder) => {
      const target = join(folder, 'mine')
      await mkdir(target)
      await writeFile(join(target, 'thesis.txt'), 'years of work')
      await expect(writeAdapter(target, initialAdapter(plan, linearModules(config)))).rejects.toMatchObject({
        code: 'PLUMB_ADAPTER_FOLDER_TAKEN',
      })
      expect(await readFile(join(target, 'thesis.txt'), 'utf8')).toBe('years of work')
    })
  })
})

describe('what is known of an adapter before it is opened', () => {
  const inspected = (baseName: string | null, more: object = {}) =>
    inFreshFolder(async (folder) => {
      const [base, adapter] = [join(folder, 'Tiny-Base'), join(folder, 'adapter')]
      await cp(join(PEFT, 'base'), base, { recursive: true })
      await cp(join(PEFT, 'all-linear'), adapter, { recursive: true })
      await writeFile(join(base, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(['one', 'two'])))
      const file = join(adapter, 'adapter_config.json')
      const json = JSON.parse(await readFile(file, 'utf8')) as object
      await writeFile(file, JSON.stringify({ ...json, base_model_name_or_path: baseName, ...more }))
      return inspectModel({ kind: 'adapter', base: { kind: 'folder', path: base }, path: adapter })
    })

  it('that it names another base is said; the last part of a name is what decides, for a model may lie anywhere', async () => {
    const named = 'by its adapter_config.json, and here it is on "Tiny-Base": if that is another model, its answers are worth nothing.'
    expect((await inspected('someone/other-base')).notices).toEqual([`The adapter's base is "someone/other-base" ${named}`])
    for (const same of ['someone/tiny-base', '../models/Tiny-Base/', null]) expect((await inspected(same)).notices).toBeUndefined()
  })

  it('that it cannot be computed, or does not fit, is refused', async () => {
    await expect(inspected(null, { use_dora: true })).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_UNSUPPORTED' })
    await expect(inspected(null, { r: 3 })).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_TENSOR' })
  })
})
