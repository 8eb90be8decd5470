import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { explain, runConfig, type Backend, type ModelSource, type TrainingPlan } from '../../src'
import { filesBelow, world, type World } from '../support/world'

const training = { batchSize: 4, learningRate: 0.05, checkpointEvery: 2 }
const LORA = { rank: 4, alpha: 8, targetModules: ['table'] }

const config = (sft: object = {}, align: object = {}) => ({
  sft: { ...training, steps: 6, ...sft },
  align: [{ ...training, name: 'control', steps: 4, losses: [{ loss: 'sft' }, { loss: 'stay' }], ...align }],
  sample: { k: 2, maxNewTokens: 4 },
  evaluate: { maxNewTokens: 4 },
})

const stageFolder = async ({ config: { run } }: World, stage: string): Promise<string> =>
  path.join(
    run,
    (await readdir(run)).find((name) => name.startsWith(`${stage}-`))!,
  )

/** Every source that the backend is asked to open, and every plan that a policy is readied with. */
function watched(made: World) {
  const backend: Backend = made.backend
  const opened: ModelSource[] = []
  /** Whether each was opened as a model whose own weights are not trained. */
  const frozen: boolean[] = []
  const plans: TrainingPlan[] = []
  const open = backend.open.bind(backend)
  backend.open = async (source, options) => {
    opened.push(source)
    frozen.push(options?.frozenBase ?? false)
    const policy = await open(source, options)
    const prepare = policy.prepareTraining!.bind(policy)
    policy.prepareTraining = async (plan) => {
      plans.push(plan)
      await prepare(plan)
    }
    return policy
  }
  return { opened, frozen, plans }
}

/** A world whose stage-1 model lies in a folder of its own. */
async function withFolder(sft: object, align: object): Promise<{ made: World; base: string }> {
  const first = await world({ config: config({ steps: 2 }) })
  await runConfig({ ...first, last: 'sft' })
  const made = await world({ config: config(sft, align) })
  const base = path.join(made.folder, 'base')
  await cp(path.join(await stageFolder(first, 'sft'), 'model'), base, { recursive: true })
  Object.assign(made.config, { model: base })
  return { made, base }
}

describe('lora', () => {
  it('leaves an adapter, which every later stage opens on the base, and a variant goes on with', async () => {
    const { made, base } = await withFolder({ lora: LORA }, { lora: LORA })
    const { opened, plans } = watched(made)
    const before = await filesBelow(base)
    const report = await runConfig({ ...made, config: { ...made.config, seed: 5 } })
    expect(report.rows.map(({ name }) => name)).toEqual(['VFT', 'control'])

    const [sft, align] = [await stageFolder(made, 'sft'), await stageFolder(made, 'align-control')]
    for (const folder of [sft, align]) {
      expect((await readdir(path.join(folder, 'adapter'))).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors'])
      expect(await readdir(folder)).not.toContain('model')
    }
    const source = { kind: 'folder', path: base }
    const onBase = (folder: string) => ({ kind: 'adapter', base: source, path: path.join(folder, 'adapter') })
    // sft, sample, the variant and its reference, the test candidates and the evaluation of each
    expect(opened[0]).toEqual(source)
    expect(opened.slice(1)).toContainEqual(onBase(align))
    for (const later of opened.slice(1)) expect([onBase(sft), onBase(align)]).toContainEqual(later)
    const plan = { ...LORA, rslora: false, dropout: 0, seed: 5 }
    expect(plans).toEqual([{ lora: plan }, { lora: plan }])
    expect(await filesBelow(base)).toEqual(before)
  })

  it('opens every model of a run that trains adapters alone as one whose own weights stay, and of another run only those', async () => {
    const alone = await withFolder({ lora: LORA }, { lora: LORA })
    const ofAlone = watched(alone.made)
    await runConfig(alone.made)
    expect(ofAlone.frozen.length).toBeGreaterThan(4)
    expect(ofAlone.frozen).not.toContain(false)

    const mixed = await withFolder({ lora: LORA }, { startFrom: 'base' })
    const ofMixed = watched(mixed.made)
    await runConfig(mixed.made)
    const trainee = ofMixed.opened.findIndex((source, i) => i > 0 && source.kind === 'folder')
    expect(ofMixed.frozen[0]).toBe(true)
    expect(ofMixed.frozen.slice(1)).not.toContain(true)
    expect(ofMixed.opened[trainee]).toEqual({ kind: 'folder', path: mixed.base })
  })

  it('an adapter that a stage made is the same model where it is given: the next stages are the same', async () => {
    const { made, base } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...made, last: 'sample' })
    const sample = path.basename(await stageFolder(made, 'sample'))
    const adapter = path.join(made.folder, 'given')
    await cp(path.join(await stageFolder(made, 'sft'), 'adapter'), adapter, { recursive: true })

    const other = await world({ config: config({ steps: 0 }) })
    Object.assign(other.config, { model: { base, adapter } })
    await runConfig({ ...other, last: 'sample' })
    expect(await readdir(path.join(await stageFolder(other, 'sft'), 'adapter'))).toHaveLength(2)
    expect(path.basename(await stageFolder(other, 'sample'))).toBe(sample)
  })

  it('without lora, a variant that starts from an adapter trains the two as one and leaves a model', async () => {
    const { made } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...made, last: 'align' })
    expect(await readdir(path.join(await stageFolder(made, 'align-control'), 'model'))).toContain('weights.bin')
  })

  it('on a full stage 1, a variant trains a new adapter on its model', async () => {
    const { made } = await withFolder({}, { lora: LORA })
    const { opened } = watched(made)
    await runConfig(made)
    const sft = { kind: 'folder', path: path.join(await stageFolder(made, 'sft'), 'model') }
    expect(opened).toContainEqual({ kind: 'adapter', base: sft, path: path.join(await stageFolder(made, 'align-control'), 'adapter') })
  })

  it('interrupted and continued, the adapter has the same bytes', async () => {
    const { made: whole } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...whole, last: 'sft' })
    const { made } = await withFolder({ lora: LORA }, {})
    const { open } = made.backend
    let calls = 0
    made.backend.open = async (source) => {
      const policy = await open.call(made.backend, source)
      const { forwardBackward } = policy
      policy.forwardBackward = async (...given) => {
        if (++calls === 5) throw new Error('killed')
        return forwardBackward.apply(policy, given)
      }
      return policy
    }
    await expect(runConfig({ ...made, last: 'sft' })).rejects.toThrow('killed')
    await runConfig({ ...made, last: 'sft' })
    // 4 steps before the kill, the two after the checkpoint at step 4
    expect(calls).toBe(7)
    const adapter = async (of: World) => filesBelow(path.join(await stageFolder(of, 'sft'), 'adapter'))
    expect(await adapter(made)).toEqual(await adapter(whole))
  })

  it('belongs to what determines a stage: its keys, and whether it is there', async () => {
    const { made } = await withFolder({}, {})
    for (const lora of [undefined, LORA, { ...LORA, alpha: 9 }, { ...LORA, rslora: true }, { ...LORA, dropout: 0.1 }, LORA]) {
      const sft = { ...made.config.sft, ...(lora ? { lora } : {}) }
      await runConfig({ ...made, config: { ...made.config, sft }, last: 'sft' })
    }
    expect((await readdir(made.config.run)).filter((name) => name.startsWith('sft-'))).toHaveLength(5)
  })

  it('what would be done again because of it is explained', async () => {
    const { made } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...made, last: 'sft' })
    const sft = { ...made.config.sft, lora: { ...LORA, rank: 3 } }
    const [same] = await explain({ ...made, stage: 'sft' })
    const [other] = await explain({ ...made, config: { ...made.config, sft }, stage: 'sft' })
    expect(same?.state).toBe('reused')
    expect(other).toMatchObject({ state: 'redone', sentence: expect.stringContaining('sft.lora.rank') as string })
  })

  it('a changed adapter is found: by the stage that it came from, and while the run works with it', async () => {
    const { made, base } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...made, last: 'sft' })
    const adapter = path.join(await stageFolder(made, 'sft'), 'adapter')
    const given = path.join(made.folder, 'given')
    await cp(adapter, given, { recursive: true })
    const file = path.join(adapter, 'adapter_model.safetensors')
    const bytes = await readFile(file)
    bytes[3]! ^= 1
    await writeFile(file, bytes)
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_CHANGED', where: file })

    const other = await world({ config: config({ steps: 1 }) })
    Object.assign(other.config, { model: { base, adapter: given } })
    const open = other.backend.open.bind(other.backend)
    other.backend.open = async (source) => {
      await writeFile(path.join(given, 'adapter_model.safetensors'), bytes)
      return open(source)
    }
    await expect(runConfig(other)).rejects.toMatchObject({ code: 'PLUMB_MODEL_CHANGED', where: given })
  })
})

describe('a folder with an adapter as the model', () => {
  async function adapterAt(name: string, base: unknown): Promise<{ made: World; folder: string }> {
    const { made } = await withFolder({ lora: LORA }, {})
    await runConfig({ ...made, last: 'sft' })
    const folder = path.join(made.folder, name)
    await rename(path.join(await stageFolder(made, 'sft'), 'adapter'), folder)
    const file = path.join(folder, 'adapter_config.json')
    const written = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify({ ...written, base_model_name_or_path: base }))
    const other = await world({ config: config({ steps: 0 }) })
    Object.assign(other.config, { model: folder })
    return { made: other, folder }
  }

  it('is on the base that it names by a path from where it lies', async () => {
    const { made, folder } = await adapterAt('mine', '../base')
    const { opened } = watched(made)
    await runConfig({ ...made, last: 'sft' })
    expect(opened).toEqual([{ kind: 'adapter', base: { kind: 'folder', path: path.join(folder, '../base') }, path: folder }])
  })

  it.each([
    ['Qwen/Qwen3-0.6B', 'was trained on "Qwen/Qwen3-0.6B", which is no model folder here'],
    [null, 'does not name its base'],
  ])('whose base is not here (%j) is one sentence', async (base, says) => {
    const { made, folder } = await adapterAt('mine', base)
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_ADAPTER_BASE_UNKNOWN',
      where: path.join(folder, 'adapter_config.json'),
      message: expect.stringContaining(says) as string,
    })
    expect(made.backend.opened).toBe(0)
  })

  it('that is a model too is asked about', async () => {
    const { made, folder } = await adapterAt('mine', '../base')
    await writeFile(path.join(folder, 'config.json'), '{}')
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_MODEL_AMBIGUOUS', where: folder })
  })

  it('that is not there is said', async () => {
    const { made, base } = await withFolder({}, {})
    Object.assign(made.config, { model: { base, adapter: path.join(made.folder, 'none') } })
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_ADAPTER_MISSING' })
  })
})

describe('a mistaken lora is said before the first stage', () => {
  it.each([
    ['PLUMB_LORA_TARGET', { targetModules: ['tabel'] }, 'Did you mean "table"?'],
    ['PLUMB_LORA_RANK', { rank: 1000 }, 'A rank of 1000 is more than model.table'],
  ])('%s', async (code, lora, says) => {
    const made = await world({ config: config({}, { lora }) })
    const message = expect.stringContaining(says) as string
    await expect(runConfig(made)).rejects.toMatchObject({ code, where: 'align "control": lora', message })
    expect(made.backend.opened).toBe(0)
  })

  it('PLUMB_LORA_UNSUPPORTED by a backend that cannot, for a section and for a model', async () => {
    const made = await world({ config: config({ lora: {} }) })
    Object.assign(made.backend, { lora: undefined })
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_LORA_UNSUPPORTED', where: 'sft: lora' })
    const given = path.join(made.folder, 'given')
    await mkdir(given)
    Object.assign(made.config, config(), { model: { base: made.folder, adapter: given } })
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_LORA_UNSUPPORTED', where: 'model' })
    expect(made.backend.opened).toBe(0)
  })

  it.each([
    ['sft.freeze', config({ lora: {}, freeze: ['x'] }), 'sft has both freeze and lora'],
    ['align.0.lora', config({ lora: { rank: 8 } }, { lora: { rank: 16 } }), 'its rank must be that of sft.lora'],
    ['align.0.lora', config({ lora: {} }, { lora: { targetModules: ['table'] } }), 'its targetModules must be that of sft.lora'],
    ['sft.lora', config({ lora: { r: 8 } }), 'sft.lora.r is not a configuration key'],
    ['sft.lora', config({ lora: { targetModules: 'all_linear' } }), 'sft.lora.targetModules must be'],
  ])('%s in the configuration', async (_, written, says) => {
    const made = await world({ config: written })
    await expect(runConfig(made)).rejects.toMatchObject({ message: expect.stringContaining(says) as string })
  })

  it('other factors are fine where a variant does not start from the adapter', async () => {
    const made = await world({ config: config({ lora: { rank: 8 } }, { lora: { rank: 4 }, startFrom: 'base' }) })
    await runConfig({ ...made, last: 'align' })
    expect(await stageFolder(made, 'align-control')).toBeDefined()
  })
})
