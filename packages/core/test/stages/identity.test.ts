import { appendFile, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runConfig, type RunEvent, type RunReport } from '../../src'
import {
  registryOf,
  pluginOf,
  contrast,
  question,
  world,
  writeRecords,
  type World,
  type WorldOptions,
  type WrittenConfig,
} from '../support/world'

const training = { batchSize: 4, learningRate: 0.05 }
const small = {
  sft: { ...training, steps: 2 },
  sample: { k: 2, maxNewTokens: 3 },
  align: [{ ...training, name: 'contrast', steps: 2, losses: [{ loss: 'sft' }, { loss: 'contrast' }] }],
  evaluate: { maxNewTokens: 3 },
}
const fresh = [8, 9].map((d) => question(`t-${d}`, d))
const made = (options: WorldOptions = {}) => world({ test: fresh, ...options, config: { ...small, ...options.config } })

const changed = (base: World, config: (from: WrittenConfig) => object): World => ({
  ...base,
  config: { ...base.config, ...config(base.config) },
})

interface Again {
  /** Stages that were done. */
  readonly done: readonly string[]
  readonly reasons: string
  readonly report: RunReport
}

async function again(run: World): Promise<Again> {
  const events: RunEvent[] = []
  const report = await runConfig({ ...run, onEvent: (event) => events.push(event) })
  const done = events.flatMap((event) => (event.type === 'stage-end' ? [[event.stage, event.variant].filter(Boolean).join(' ')] : []))
  const notices = events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
  return { done, reasons: notices.filter((message) => message.includes('done again')).join('\n'), report }
}

const ALL = ['sft', 'sample', 'label', 'align contrast', 'evaluate candidates', 'evaluate VFT', 'evaluate contrast']

describe('nothing is done again', () => {
  const unchanged: [string, (base: World) => World | Promise<World>][] = [
    ['the very same', (base) => base],
    ['a default written out', (base) => changed(base, ({ sft, sample }) => ({ seed: 0, sft: { ...sft, schedule: 'cosine', epsilon: 1e-8, freeze: [] }, sample: { ...sample, temperature: 1 }, backend: { name: 'bigram', precision: 'double' } }))], // prettier-ignore
    ['checkpoints at other steps', (base) => changed(base, ({ sft, align }) => ({ sft: { ...sft, checkpointEvery: 1, validateEvery: 1 }, align: [{ ...align[0], checkpointEvery: 1 }] }))], // prettier-ignore
    ['an option that changes nothing', (base) => changed(base, () => ({ backend: { name: 'bigram', quiet: true } }))],
    ['keys in another order', (base) => ({ ...base, config: Object.fromEntries(Object.entries(base.config).reverse()) as unknown as WrittenConfig })], // prettier-ignore
    ['another machine', (base) => ({ ...base, registry: registryOf(Object.assign(base.backend, { probe: async () => ({ usable: true, device: 'memory, 96 threads', kind: 'memory', detail: '' }) })) })], // prettier-ignore
    ['auto, which takes the same backend', (base) => changed(base, () => ({ backend: 'auto' }))],
    ['a plugin that nothing uses', (base) => ({ ...base, registry: registryOf(base.backend, { plugins: [pluginOf({ losses: { other: contrast } }, 'other')] }) })], // prettier-ignore
    ['plugins in another order', (base) => ({ ...base, registry: registryOf(base.backend, { plugins: [pluginOf({}, 'b'), pluginOf({}, 'a')] }) })], // prettier-ignore
    ['the same records, written otherwise', async (base) => {
      const file = path.join(base.folder, 'train.jsonl')
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
      const reordered = lines.map((line) => Object.fromEntries(Object.entries(JSON.parse(line) as object).reverse()))
      await writeFile(file, `${reordered.map((record) => JSON.stringify(record)).join('\r\n')}\r\n\r\n`)
      return base
    }], // prettier-ignore
    ['the data files elsewhere', async (base) => {
      const [from, to] = ['train.jsonl', 'renamed.jsonl'].map((name) => path.join(base.folder, name)) as [string, string]
      await rename(from, to)
      return changed(base, ({ data }) => ({ data: { ...data, train: { path: to } } }))
    }], // prettier-ignore
  ]

  it.each(unchanged)('%s', async (_, change) => {
    const base = await made()
    await runConfig(base)
    expect(await again(await change(base))).toMatchObject({ done: [], reasons: '' })
  })

  it('the run folder elsewhere', async () => {
    const base = await made()
    await runConfig(base)
    const moved = path.join(base.folder, 'moved')
    await rename(base.config.run, moved)
    expect((await again(changed(base, () => ({ run: moved })))).done).toEqual([])
  })

  it('records behind the limit', async () => {
    const limited = (base: World) => changed(base, ({ data }) => ({ data: { ...data, train: { ...(data.train as object), limit: 4 } } }))
    const base = limited(await made())
    await runConfig(base)
    await appendFile(path.join(base.folder, 'train.jsonl'), `${JSON.stringify(question('late', 1))}\n`)
    expect((await again(base)).done).toEqual([])
    // and a limit that takes what the file holds is none
    const whole = await made()
    await runConfig(whole)
    expect(
      (await again(changed(whole, ({ data }) => ({ data: { ...data, train: { ...(data.train as object), limit: 8 } } })))).done,
    ).toEqual([])
  })

  it('validation data; what it says is said of the model that it watched', async () => {
    const base = await made()
    await runConfig(base)
    const file = path.join(base.folder, 'validation.jsonl')
    await writeRecords(file, [question('v', 5)])
    const { done, report } = await again(changed(base, ({ data }) => ({ data: { ...data, validation: { path: file } } })))
    expect(done).toEqual([])
    expect(report.notices.filter((notice) => notice.includes('validation'))).toEqual(['sft', 'align contrast'].map((title) => `${title} was trained without validation data; it is reused as it is, and the figures of data.validation are not made for it.`)) // prettier-ignore
  })

  it('training questions, for a variant that takes its chains from its own questions', async () => {
    const questions = [1, 2].map((d) => question(`q-${d}`, d))
    const base = await made({ questions, config: { sft: { steps: 0 }, align: [{ ...small.align[0], sftFrom: 'question' }] } })
    await runConfig(base)
    await writeRecords(path.join(base.folder, 'train.jsonl'), [question('other', 3)])
    expect((await again(base)).done).toEqual([])
  })
})

describe('what is touched is done again, and says why', () => {
  const touching: [string, (base: World) => World | Promise<World>, readonly string[], RegExp][] = [
    ['a variant more', (base) => changed(base, ({ align }) => ({ align: [...align, { ...align[0], name: 'more', losses: [{ loss: 'other' }] }] })), ['align more', 'evaluate more'], /^$/], // prettier-ignore
    ['an edited loss', (base) => ({ ...base, registry: registryOf(base.backend, { version: '1.0.1' }) }), ['label', 'align contrast', 'evaluate candidates', 'evaluate VFT', 'evaluate contrast'], /^align contrast is done again: plugin world was 1\.0\.0, is 1\.0\.1\.$/m], // prettier-ignore
    ['another learning rate of a variant', (base) => changed(base, ({ align }) => ({ align: [{ ...align[0], learningRate: 0.1 }] })), ['align contrast', 'evaluate contrast'], /^align contrast is done again: align\.learningRate was 0\.05, is 0\.1\.$/m], // prettier-ignore
    ['a backend option', (base) => changed(base, () => ({ backend: { name: 'bigram', precision: 'single' } })), ALL, /^sft is done again: backend\.options\.precision was double, is single\.$/m], // prettier-ignore
    ['threads that are asked for', (base) => changed(base, () => ({ backend: { name: 'bigram', threads: 2 } })), ALL, /^sft is done again: backend\.options\.threads was not set, is 2\.$/m], // prettier-ignore
    ['a seed', (base) => changed(base, () => ({ seed: 1 })), ALL, /^sft is done again: seed was 0, is 1\.$/m],
    [
      'a prompt',
      (base) => changed(base, () => ({ prompt: { template: 'q0 {prompt}' } })),
      ALL,
      /prompt\.template was .*, is q0 \{prompt\}/,
    ],
    ['a record of data.test', async (base) => {
      await writeRecords(path.join(base.folder, 'test.jsonl'), [question('t', 9)])
      return base
    }, ['evaluate candidates', 'evaluate VFT', 'evaluate contrast'], /^evaluate candidates is done again: data\.test changed\.$/m], // prettier-ignore
    ['a file of the tokenizer', async (base) => {
      await writeFile(path.join(base.folder, 'tokenizer', 'tokenizer_config.json'), '{"eos_token":"</s>"}')
      return base
    }, ALL, /^sft is done again: the model it starts from changed\.$/m], // prettier-ignore
    ['the config that a tokenizer takes ids from', async (base) => {
      await writeFile(path.join(base.folder, 'tokenizer', 'config.json'), '{"eos_token_id":1}')
      return base
    }, ALL, /the model it starts from changed/], // prettier-ignore
  ]

  it.each(touching)('%s', async (_, change, expected, reason) => {
    const base = await made({ losses: { other: { ...contrast, manifest: { ...contrast.manifest, name: 'other' } } } })
    await runConfig(base)
    const next = await change(base)
    const registry = next.registry === base.registry ? base.registry : next.registry
    const { done, reasons } = await again({ ...next, registry })
    // content that comes out the same is the same: what follows on it is reused
    for (const stage of done) expect(expected).toContain(stage)
    expect(done).toContain(expected[0])
    expect(reasons).toMatch(reason)
  })

  it('each variant by its own losses’ plugins alone', async () => {
    const [one, two] = ['one', 'two'].map((name) => ({ ...contrast, manifest: { ...contrast.manifest, name } }))
    const variants = ['one', 'two'].map((name) => ({ ...training, name, steps: 1, losses: [{ loss: name }] }))
    const plugins = (version: string) => [
      pluginOf({ losses: { one: one! } }, 'p-one', version),
      pluginOf({ losses: { two: two! } }, 'p-two'),
    ]
    const base = await made({ plugins: plugins('1.0.0'), config: { align: variants } })
    await runConfig(base)
    const { done, reasons } = await again({ ...base, registry: registryOf(base.backend, { plugins: plugins('sha256:2') }) })
    expect(done[0]).toBe('align one')
    expect(done).not.toContain('align two')
    expect(reasons).toContain('align one is done again: the code of plugin p-one changed.')
  })
})

describe('a model folder', () => {
  it('is known by what is read of it: not by a README or an optimizer’s state', async () => {
    const first = await made({ config: { sft: { steps: 0 } } })
    await runConfig({ ...first, last: 'sft' })
    const sft = (await readdir(first.config.run)).find((name) => name.startsWith('sft-'))!
    const model = path.join(first.config.run, sft, 'model')
    const base = changed(await made(), () => ({ model }))
    await runConfig(base)
    for (const name of ['README.md', 'optimizer.pt', 'trainer_state.json', '.gitattributes', 'LICENSE'])
      await writeFile(path.join(model, name), name)
    expect((await again(base)).done).toEqual([])
    await writeFile(path.join(model, 'chat_template.jinja'), 'x')
    expect((await again(base)).done[0]).toBe('sft')
  })

  it('that changes while a variant starts from it stops the variant', async () => {
    const first = await made({ config: { sft: { steps: 0 } } })
    await runConfig({ ...first, last: 'sft' })
    const sft = (await readdir(first.config.run)).find((name) => name.startsWith('sft-'))!
    const model = path.join(first.config.run, sft, 'model')
    const base = changed(await made(), ({ align }) => ({ model, align: [{ ...align[0], startFrom: 'base' }] }))
    const onEvent = async (event: RunEvent) => {
      if (event.type === 'stage-end' && event.stage === 'label') await writeFile(path.join(model, 'added.json'), '{}')
    }
    await expect(runConfig({ ...base, onEvent: (event) => void onEvent(event) })).rejects.toMatchObject({
      code: 'PLUMB_MODEL_CHANGED',
      where: model,
    })
  })
})

describe('reports', () => {
  it('of different seeds stand beside each other, and the last one also under its plain name', async () => {
    const base = await made()
    const [first, second] = [await runConfig(base), await runConfig(changed(base, () => ({ seed: 1 })))]
    expect(first.key).not.toBe(second.key)
    const read = async (name: string) => JSON.parse(await readFile(path.join(base.config.run, name), 'utf8')) as RunReport
    const { rows, notices, samples } = first
    expect(await read(`report-${first.key}.json`)).toMatchObject(
      JSON.parse(JSON.stringify({ key: first.key, rows, notices, samples })) as object,
    )
    expect((await read('report.json')).key).toBe(second.key)
    expect((await runConfig(base)).key).toBe(first.key)
  })
})
