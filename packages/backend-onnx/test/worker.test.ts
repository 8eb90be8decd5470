import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

describe("the engine's worker", () => {
  it("loads neither the configuration's schemas nor the losses' tensors, which would double its start-up", () => {
    const engine = JSON.stringify(join(__dirname, '../dist/worker/engine.js'))
    const script = `require(${engine}); console.log(JSON.stringify(Object.keys(require.cache)))`
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    expect(stderr).toBe('')
    const packages = new Set(
      (JSON.parse(stdout) as string[]).flatMap((file) => /node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1] ?? []),
    )
    expect(packages).toContain('onnxruntime-node')
    expect([...packages].filter((name) => /^(zod|yaml|cosmiconfig|tsyringe|@tensorflow.*)$/.test(name))).toEqual([])
  })
})
