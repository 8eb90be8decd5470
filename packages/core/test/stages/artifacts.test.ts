import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { explain, runConfig, type RunEvent } from '../../src'
import { world, type World } from '../support/world'

const training = { batchSize: 4, learningRate: 0.05 }
const config = {
  sft: { ...training, steps: 2 },
  sample: { k: 2, maxNewTokens: 3 },
  align: ['contrast', 'stay'].map((name) => ({ ...training, name, steps: 2, losses: [{ loss: name }] })),
  evaluate: { maxNewTokens: 3 },
}

async function folderOf({ config: { run } }: World, stage: string): Promise<string> {
  return path.join(
    run,
    (await readdir(run)).find((name) => name.startsWith(`${stage}-`))!,
  )
}

describe('an artifact that is not what its stage wrote', () => {
  it.each([
    ['sft', 'model/weights.bin'],
    ['sft', 'metrics.jsonl'],
    ['sample', 'samples.jsonl'],
    ['label', 'groups.jsonl'],
    ['align-contrast', 'model/config.json'],
    ['evaluate-candidates', 'candidates.jsonl'],
    ['evaluate-VFT', 'answers.jsonl'],
    ['evaluate-contrast', 'scores.jsonl'],
  ])('is not used: %s/%s', async (stage, name) => {
    const made = await world({ config })
    await runConfig(made)
    const folder = await folderOf(made, stage)
    const file = path.join(folder, name)
    const before = await readFile(file)
    await appendFile(file, '\n')
    await expect(runConfig(made)).rejects.toMatchObject({
      code: 'PLUMB_ARTIFACT_CHANGED',
      where: file,
      message: expect.stringContaining(`delete the folder ${path.basename(folder)} to have the stage done again`) as string,
    })
    await writeFile(file, before)
    await runConfig(made)
  })

  it('is done again where it is gone, to the same bytes', async () => {
    const made = await world({ config })
    await runConfig(made)
    const file = path.join(await folderOf(made, 'sft'), 'model', 'weights.bin')
    const before = await readFile(file)
    await rm(file)
    const done: string[] = []
    await runConfig({ ...made, onEvent: (event) => event.type === 'stage-end' && done.push(event.stage) })
    expect(done).toEqual(['sft'])
    expect(await readFile(file)).toEqual(before)
  })

  it('may have a text about it beside it', async () => {
    const made = await world({ config })
    await runConfig(made)
    await writeFile(path.join(await folderOf(made, 'sft'), 'model', 'README.md'), 'mine')
    await runConfig(made)
    const added = path.join(await folderOf(made, 'sft'), 'model', 'chat_template.jinja')
    await writeFile(added, 'mine')
    await expect(runConfig(made)).rejects.toMatchObject({ code: 'PLUMB_ARTIFACT_CHANGED', where: added })
  })
})

describe('explain', () => {
  const sentences = async (made: World, stage: Parameters<typeof explain>[0]['stage'], variant?: string) =>
    (await explain({ ...made, stage, variant })).map(({ stage: title, state, sentence }) => [title, state, sentence] as const)

  it('says of each stage whether it would be reused, and of the first that would not, why', async () => {
    const made = await world({ config })
    expect(await sentences(made, 'label')).toEqual([['sft', 'new', 'sft has not been done here yet.']])
    await expect(readdir(made.config.run)).rejects.toMatchObject({ code: 'ENOENT' })

    await runConfig(made)
    const names = await readdir(made.config.run)
    expect((await sentences(made, 'evaluate')).map(([title, state]) => [title, state])).toEqual(
      ['sft', 'sample', 'label', 'align contrast', 'evaluate candidates', 'evaluate VFT', 'evaluate contrast', 'align stay', 'evaluate stay'].map((title) => [title, 'reused']), // prettier-ignore
    )
    const [contrast, stay] = config.align
    const faster = { ...made, config: { ...made.config, align: [contrast!, { ...stay!, learningRate: 0.1 }] } }
    expect((await sentences(faster, 'align')).slice(3)).toEqual([
      ['align contrast', 'reused', expect.stringMatching(/^align contrast would be reused: align-contrast-\w{8} is what/) as string],
      ['align stay', 'redone', expect.stringMatching(/^align stay would be done again: align\.learningRate was 0\.05, is 0\.1\. \(align-stay-\w{8} stays as it is\.\)$/) as string], // prettier-ignore
    ])
    expect((await sentences(faster, 'align', 'contrast')).at(-1)?.[1]).toBe('reused')
    expect(await readdir(made.config.run)).toEqual(names)
  })

  it('knows a stage that was interrupted', async () => {
    const made = await world({ config: { ...config, sft: { ...training, steps: 6, checkpointEvery: 1 } } })
    const controller = new AbortController()
    const onEvent = (event: RunEvent) => event.type === 'progress' && controller.abort()
    await expect(runConfig({ ...made, onEvent, signal: controller.signal })).rejects.toMatchObject({ code: 'PLUMB_INTERRUPTED' })
    const [[, state, sentence] = []] = await sentences(made, 'sft')
    expect([state, sentence]).toEqual(['resumed', expect.stringMatching(/^sft would go on where it was interrupted, in sft-\w{8}\.$/)])
  })
})
