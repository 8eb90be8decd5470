// The peer's workloads, made once: a random-weight model, groups of token ids, hyper-parameters. Same preset, same bytes.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerEnvironment, peerScript } from './peer.mjs'

const { wordLevelTokenizerConfig, wordLevelTokenizerJson } = createRequire(import.meta.url)('../../packages/transformer')

/** Makes the workload if it is not there; returns its folder. */
export function prepareWorkload(preset, workFolder, { python }) {
  const folder = join(workFolder, preset)
  if (!existsSync(join(folder, 'workload.json'))) {
    console.error(`Making the workload ${preset} …`)
    const script = preset.startsWith('135m') ? 'workload_135m.py' : 'make_workload.py'
    const { status } = spawnSync(python, [peerScript(script), '--out', folder, '--preset', preset], {
      stdio: ['ignore', 2, 2],
      env: peerEnvironment(),
    })
    if (status !== 0) throw new Error(`${script} --preset ${preset} ended with ${status}`)
  }
  addTokenizer(join(folder, 'model'))
  return folder
}

/** The workload is token ids, but a model folder comes with a tokenizer: one whose words are the ids. */
function addTokenizer(model) {
  if (existsSync(join(model, 'tokenizer.json'))) return
  const { vocab_size: size } = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
  const words = Array.from({ length: size - 4 }, (_, i) => `t${i + 4}`)
  writeFileSync(join(model, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
  writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(words)))
}
