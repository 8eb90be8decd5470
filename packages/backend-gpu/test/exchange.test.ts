import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OnnxBackend } from '@plumbline/backend-onnx'
import type { Objective, Policy } from '@plumbline/core'
import { GpuBackend } from '../src'
import { tinyGroups, tokenGroups, TinyModel } from '../../backend-onnx/test/support/tiny'

const adamW = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 } as const
const likelihood: Objective = (batch) => ({ loss: 0, cotangents: batch.map(({ tokenLogProbs }) => tokenLogProbs.map(() => -0.01)) })

async function step(policy: Policy, group: number): Promise<number> {
  await policy.forwardBackward(tokenGroups([tinyGroups[group]!]), likelihood)
  return (await policy.optimStep(adamW)).gradNorm
}

it('a training state goes on in the other engine, both ways', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-exchange-'))
  const model = new TinyModel(new GpuBackend({ device: 'javascript' }))
  const onnx = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: model.path })
  try {
    const gpu = await model.open()
    await step(onnx, 0)
    await onnx.saveState(join(folder, 'onnx'))
    await gpu.loadState(join(folder, 'onnx'))
    // The moments came along: without them the weights after this step would be others.
    const norms = [await step(onnx, 1), await step(gpu, 1)]
    expect(norms[1]! / norms[0]!).toBeCloseTo(1, 4)
    await gpu.saveState(join(folder, 'gpu'))
    const again = await new OnnxBackend({ threads: 1 }).open({ kind: 'folder', path: model.path })
    await again.loadState(join(folder, 'gpu'))
    const groups = tokenGroups([tinyGroups[2]!])
    const [expected, found] = [await onnx.logProbs(groups), await again.logProbs(groups)]
    await again.dispose()
    for (const [c, values] of expected[0]!.entries()) {
      for (const [t, value] of values!.entries()) expect(Math.abs(found[0]![c]![t]! - value)).toBeLessThan(1e-4)
    }
  } finally {
    await onnx.dispose()
    await model.dispose()
    rmSync(folder, { recursive: true })
  }
})
