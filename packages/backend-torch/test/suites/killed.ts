import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plumb, type Outcome } from '../../../cli/test/cli'
import { onBackend, projectWithModel, trainedOnly } from '../../../cli/test/real-model'
import { describeWhole } from '../support/python'
import { pythonBelow, rankBelow } from '../support/processes'

const STEPS = 60

/** Two training stages with many checkpoints, and no evaluation: what is looked at are weights. */
function project(backend: object): Promise<string> {
  const config = trainedOnly(onBackend(JSON.stringify({ name: 'torch', device: 'cpu', threads: 1, ...backend })))
    .replace('sft: { steps: 3,', `sft: { steps: ${STEPS}, learningRate: 0.01, checkpointEvery: 2,`)
    .replace('constraint: boundary, steps: 3,', `constraint: boundary, steps: ${STEPS}, learningRate: 0.01, checkpointEvery: 2,`)
  return projectWithModel(config)
}

const names = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder) : [])

function stageFolder(cwd: string, stage: string): string | undefined {
  const name = names(join(cwd, 'run')).find((each) => each.startsWith(`${stage}-`))
  return name === undefined ? undefined : join(cwd, 'run', name)
}

/** Whether a stage is in its middle: there are two checkpoints, and no model yet. */
function isUnderWay(cwd: string, stage: string): boolean {
  const folder = stageFolder(cwd, stage)
  return folder !== undefined && names(join(folder, 'work', 'checkpoints')).length > 1 && !existsSync(join(folder, 'model'))
}

/** Runs until `stage` is in its middle, and does something to the run there, once. */
async function disturbed(cwd: string, stage: string, disturb: (child: ChildProcess) => void): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined
  const outcome = await plumb(['align', '--quiet'], {
    cwd,
    started: (child) => {
      timer = setInterval(() => {
        if (!isUnderWay(cwd, stage)) return
        clearInterval(timer)
        disturb(child)
      }, 5)
    },
  })
  clearInterval(timer)
  return outcome
}

const weightsOf = (cwd: string, stage: string): Buffer => readFileSync(join(stageFolder(cwd, stage)!, 'model', 'model.safetensors'))

describeWhole('a run whose processes are killed', (python) => {
  if (process.platform !== 'linux') {
    it.skip('(skipped: processes are told apart by /proc)', () => undefined)
    return
  }

  it('ends with the bytes of one that nobody disturbed: first Node, then Python', async () => {
    const [whole, killed] = [await project({ python }), await project({ python })]
    expect(await plumb(['align', '--quiet'], { cwd: whole })).toMatchObject({ code: 0 })

    const first = await disturbed(killed, 'sft', (child) => child.kill('SIGKILL'))
    expect(first.signal).toBe('SIGKILL')

    const second = await disturbed(killed, 'align-boundary', (child) => process.kill(pythonBelow(child.pid!)[0]!.pid, 'SIGKILL'))
    expect(second.code).toBe(2)
    expect(second.stderr).toMatch(/PLUMB_TORCH_EXITED .*The Python process ended with SIGKILL/)
    expect(second.stderr).toMatch(
      /Training stopped at step \d+ of 60; the weights are those of step \d+\. The last good checkpoint is that of step \d+\./,
    )

    expect(await plumb(['align', '--quiet'], { cwd: killed })).toMatchObject({ code: 0 })
    for (const stage of ['sft', 'align-boundary']) expect(weightsOf(killed, stage).equals(weightsOf(whole, stage))).toBe(true)
  }, 300_000)

  it('on two ranks is told which of them is gone, and the last checkpoint; one process goes on from there', async () => {
    const launch = [python, '-m', 'torch.distributed.run', '--nproc-per-node', '2']
    const cwd = await project({ launch })
    const { code, stderr } = await disturbed(cwd, 'sft', (child) => process.kill(rankBelow(child.pid!, 1)!, 'SIGKILL'))
    expect(code).toBe(2)
    expect(stderr).toMatch(/PLUMB_TORCH_RANKS .*Rank 1 of 2 \(process \d+ on \S+\) is gone, and the run with it/)
    expect(stderr).toMatch(/The last good checkpoint is that of step \d+\./)
    const config = join(cwd, 'plumbline.config.yaml')
    writeFileSync(config, readFileSync(config, 'utf8').replace(`"launch":${JSON.stringify(launch)}`, `"python":${JSON.stringify(python)}`))
    const again = await plumb(['align'], { cwd })
    expect(again).toMatchObject({ code: 0 })
    expect(again.stdout + again.stderr).not.toMatch(/sft.*done again/)
  }, 300_000)
})
