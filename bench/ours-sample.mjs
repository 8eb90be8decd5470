// k completions per question of a workload, of fixed length, with our engine, in a process of its own.
//
//   node bench/ours-sample.mjs --workload bench/work/gsm --n-questions 16 --k 6 --max-new-tokens 128 --repeats 2 --out result.json
import { parseArgs } from 'node:util'
import { open } from './lib/engine.mjs'
import { peakRssMiB, timed, writeJson } from './lib/measure.mjs'
import { loadWorkload } from './lib/workload.mjs'

const { values: args } = parseArgs({
  options: {
    workload: { type: 'string' },
    'n-questions': { type: 'string', default: '8' },
    k: { type: 'string', default: '6' },
    'max-new-tokens': { type: 'string', default: '128' },
    repeats: { type: 'string', default: '2' },
    out: { type: 'string' },
    device: { type: 'string' },
    prepacked: { type: 'boolean' },
    threads: { type: 'string' },
  },
})

const { work, groups, model } = loadWorkload(args.workload)
const k = Number(args.k)
const maxNewTokens = Number(args['max-new-tokens'])
const policy = await open(
  { kind: 'folder', path: model },
  { device: args.device, threads: args.threads && Number(args.threads), prepackedWeights: args.prepacked },
)
const prompts = groups
  .slice(0, Number(args['n-questions']))
  .map(({ id, prompt }) => ({ id, prompt, candidates: Array.from({ length: k }, (_, c) => c) }))

// The peer is made to go on past the end-of-sequence token. Our sampler ends there, as a user wants it; the random weights draw it
// about once in 8,192 tokens, so what is counted is the tokens that came.
const runs = []
for (let repeat = 0; repeat <= Number(args.repeats); repeat++) {
  const { value: tokens, ...time } = await timed(async () => {
    let made = 0
    for await (const generation of policy.generate(prompts, { seed: repeat, temperature: 1, maxNewTokens }))
      made += generation.tokens.length
    return made
  })
  runs.push({ ...time, tokens, tokensPerSecond: tokens / time.seconds, warmup: repeat === 0 })
  console.error(`run ${repeat} ${tokens} tokens ${time.seconds.toFixed(2)} s ${(tokens / time.seconds).toFixed(0)} tokens/s`)
}
const { engine } = policy.info
await policy.dispose()
writeJson(args.out, {
  tool: 'plumbline',
  engine,
  preset: work.preset,
  questions: prompts.length,
  k,
  maxNewTokens,
  peakRssMiB: peakRssMiB(),
  runs,
})
