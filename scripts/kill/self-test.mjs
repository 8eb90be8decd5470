// A check of the check: differences of every kind are planted, and each must be seen.
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { artifacts, differences } from './compare.mjs'
import { plumbRun } from './process.mjs'

/** @param prepare writes the inputs of the reference's scenario into a folder */
export async function selfTest({ folder, calls }, copy, prepare) {
  const names = artifacts(join(folder, 'run'))
  const find = (pattern) => names.find((name) => pattern.test(name))
  const flip = (pattern) => (run) => {
    const file = join(run, find(pattern))
    const bytes = readFileSync(file)
    bytes[Math.floor(bytes.length / 2)] ^= 1
    writeFileSync(file, bytes)
  }
  const planted = {
    'one bit of a model': flip(/align-.*model\.safetensors$/),
    'one bit of the reference log-probabilities': flip(/align-reference.*\.jsonl$/),
    'one bit of done.json': flip(/done\.json$/),
    'one bit of the report': flip(/^report\.json$/),
    'a file that is missing': (run) => rmSync(join(run, find(/metrics\.jsonl$/))),
    'a file that is left over': (run) => writeFileSync(join(run, '.report.json.123.tmp'), ''),
    'a last line that is missing': (run) => {
      const file = join(run, find(/scores\.jsonl$/))
      writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, -2).join('\n') + '\n')
    },
    'a stage under another name': (run) => renameSync(join(run, find(/^label-/).split('/')[0]), join(run, 'label-00000000')),
  }
  const unseen = []
  for (const [what, plant] of Object.entries(planted)) {
    cpSync(join(folder, 'run'), copy, { recursive: true })
    if (differences(join(folder, 'run'), copy).length > 0) unseen.push(`a copy is taken for a difference (before ${what})`)
    plant(copy)
    const [seen] = differences(join(folder, 'run'), copy)
    console.log(`${what}: ${seen ?? 'NOT SEEN'}`)
    if (seen === undefined) unseen.push(what)
    rmSync(copy, { recursive: true })
  }
  // and the preload must kill where it says it does, also in the engine's thread, which writes the weights
  for (const pattern of [/^open .*groups\.jsonl/, /^(write|writeFile) .*safetensors/]) {
    const call = calls.find((text) => pattern.test(text))
    mkdirSync(copy)
    prepare(copy)
    const { signal, calls: note } = await plumbRun(copy, { hook: { call, when: 'before' } })
    console.log(`killed before "${call}": ${signal}, ${note.join()}`)
    if (signal !== 'SIGKILL' || note[0] !== `before ${call}`) unseen.push(`no death at ${call}`)
    rmSync(copy, { recursive: true })
  }
  if (unseen.length > 0) {
    console.error(`Not seen: ${unseen.join('; ')}`)
    process.exit(1)
  }
  console.log('Every planted difference was seen.')
}
