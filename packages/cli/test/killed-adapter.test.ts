import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plumb } from './cli'
import { onBackend, projectWithModel, trainedOnly } from './real-model'

const LORA = 'lora: { rank: 2, dropout: 0.2 }, learningRate: 0.02, checkpointEvery: 2'

/** Adapters on a base that is stored in bfloat16, in both training stages. */
const CONFIG = trainedOnly(onBackend('{ name: onnx, threads: 1 }'))
  .replace('sft: { steps: 3,', `sft: { steps: 3, ${LORA},`)
  .replace('constraint: boundary, steps: 3,', `constraint: boundary, steps: 12, ${LORA},`)

const project = () => projectWithModel(CONFIG, 'bfloat16')

const runFiles = (cwd: string) => readdirSync(join(cwd, 'run'), { recursive: true, encoding: 'utf8' }).sort()
const adapterFile = (cwd: string, stage: string) =>
  runFiles(cwd).find((name) => name.startsWith(`${stage}-`) && name.endsWith('adapter_model.safetensors'))

/** Names of the checkpoints that the alignment has written so far. */
function checkpoints(cwd: string): string[] {
  const run = join(cwd, 'run')
  const named = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])
  return named(run)
    .filter((name) => name.startsWith('align-boundary-'))
    .flatMap((name) => named(join(run, name, 'work', 'checkpoints')))
}

it('an adapter whose alignment was killed between two checkpoints ends with the bytes of one that nobody disturbed', async () => {
  const [whole, killed] = [await project(), await project()]
  expect(await plumb(['align', '--quiet'], { cwd: whole })).toMatchObject({ code: 0 })

  let timer: NodeJS.Timeout | undefined
  const { signal } = await plumb(['align', '--quiet'], {
    cwd: killed,
    started: (child) => {
      timer = setInterval(() => {
        if (checkpoints(killed).some((name) => /^step-[4-9]$/.test(name))) child.kill('SIGKILL')
      }, 20)
    },
  })
  clearInterval(timer)
  expect(signal).toBe('SIGKILL')
  // In the middle: there is a checkpoint, and no adapter yet.
  expect(adapterFile(killed, 'align-boundary')).toBeUndefined()
  expect(await plumb(['align', '--quiet'], { cwd: killed })).toMatchObject({ code: 0 })

  for (const stage of ['sft', 'align-boundary']) {
    const [expected, actual] = [whole, killed].map((cwd) => readFileSync(join(cwd, 'run', adapterFile(cwd, stage)!)))
    expect(actual!.equals(expected!)).toBe(true)
  }
  const [expected, actual] = [whole, killed].map((cwd) => runFiles(cwd).filter((name) => /adapter|samples|labels|results/.test(name)))
  expect(actual).toEqual(expected)
}, 120_000)
