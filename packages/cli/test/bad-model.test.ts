import { rmSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plumb } from './cli'
import { onBackend, projectWithModel } from './real-model'

/** The tiny project with a real model folder, on the embedded backend. */
async function goodProject(): Promise<{ cwd: string; model: string }> {
  const cwd = await projectWithModel(onBackend('onnx'))
  return { cwd, model: join(cwd, 'model') }
}

async function lastLine(cwd: string): Promise<{ code: number | null; line: string }> {
  const { code, stderr } = await plumb(['sft', '--quiet'], { cwd })
  return { code, line: stderr.trimEnd().replaceAll(cwd, '.') }
}

it('a good model folder runs (what the others lack is what they are refused for)', async () => {
  const { cwd } = await goodProject()
  expect(await lastLine(cwd)).toEqual({ code: 0, line: '' })
})

it('a model folder without config.json: one sentence and exit code 2', async () => {
  const { cwd, model } = await goodProject()
  rmSync(join(model, 'config.json'))
  expect(await lastLine(cwd)).toEqual({
    code: 2,
    line: 'PLUMB_MODEL_NO_CONFIG  ./model  The model folder has no config.json; expected a Hugging Face model folder.',
  })
})

it('a tensor of the wrong shape: its name, the shape found and the shape expected', async () => {
  const { cwd, model } = await goodProject()
  const file = join(model, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  writeFileSync(file, JSON.stringify({ ...config, intermediate_size: 12 }))
  const { code, line } = await lastLine(cwd)
  expect(code).toBe(2)
  expect(line).toMatch(/^PLUMB_MODEL_TENSOR_SHAPE {2}\.\/model {2}.*mlp\.\w+_proj\.weight.*16.*12.*$/)
})

it('a model folder that is not there', async () => {
  const { cwd, model } = await goodProject()
  rmSync(model, { recursive: true })
  const { code, line } = await lastLine(cwd)
  expect(code).toBe(2)
  expect(line).toMatch(
    /^PLUMB_MODEL_\w+ {2}\.\/model {2}There is no model folder here; .+ in docs\/models\.md says where they come from\.$/,
  )
})

it('a backend that is not there: the ones there are', async () => {
  const { cwd } = await goodProject()
  const { code, stderr } = await plumb(['run', '--set', 'backend=onxx'], { cwd })
  expect([code, stderr]).toEqual([2, 'PLUMB_UNKNOWN_BACKEND  --set backend=onxx  There is no backend "onxx". Did you mean "onnx"?\n'])
})
