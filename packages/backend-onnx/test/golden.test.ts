import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OnnxBackend } from '../src'

const stories = join(process.env.PLUMBLINE_SHARED ?? join(__dirname, '../../../../shared'), 'data/stories260K')
const withStories = existsSync(stories) ? describe : describe.skip

withStories('stories260K (needs PLUMBLINE_SHARED)', () => {
  it('gives the per-token log-likelihoods of the float64 reference', async () => {
    const { greedyIds, tokenNll } = JSON.parse(readFileSync(join(stories, 'golden.json'), 'utf8')) as {
      greedyIds: number[]
      tokenNll: number[]
    }
    const policy = await new OnnxBackend().open({ kind: 'folder', path: join(stories, 'hf') })
    const completion = greedyIds.slice(1, 1 + tokenNll.length)
    const [scored] = await policy.logProbs([{ id: 'story', prompt: [greedyIds[0]!], completions: [completion] }])
    await policy.dispose()
    const logProbs = scored?.[0]
    expect(logProbs).toHaveLength(tokenNll.length)
    for (const [t, expected] of tokenNll.entries()) expect(Math.abs(-logProbs![t]! - expected)).toBeLessThan(1e-4)
  })
})
