// Runs every stage over generated questions in a process with a small heap, and prints what each stage took: time, the most memory
// (resident set), and the bytes of its artifacts. The engine is a stand-in that costs next to nothing,
// so what is seen is the stages themselves.
//
//   node scripts/scale.mjs                        a million questions, 512 MiB of heap
//   node scripts/scale.mjs --questions 20000 --heap 96
//
//   --questions N   in data.train, which is sampled on, too
//   --test N        in data.test; as many when absent
//   --k N           completions of each question
//   --words N       of a question and of a chain: about as many as a school problem has when absent
//   --letters N     of a word, at least
//   --heap MIB      node's --max-old-space-size
//   --steps N       optimizer steps of stage 1 and of each variant, 16 questions each
//   --given         candidates of the data file, none sampled
//   --core FOLDER   another build of @plumbline/core, to compare with
//   --keep FOLDER   works there, and leaves everything in place
//
// Exit status: the child's, so that what runs out of memory fails.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    questions: { type: 'string', default: '1000000' },
    test: { type: 'string' },
    k: { type: 'string', default: '2' },
    words: { type: 'string', default: '40' },
    letters: { type: 'string', default: '1' },
    heap: { type: 'string', default: '512' },
    steps: { type: 'string', default: '1000' },
    given: { type: 'boolean', default: false },
    core: { type: 'string', default: '@plumbline/core' },
    keep: { type: 'string' },
  },
})

const folder = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'plumb-scale-')) : resolve(values.keep)
mkdirSync(folder, { recursive: true })
const child = spawnSync(
  process.execPath,
  [
    `--max-old-space-size=${values.heap}`,
    fileURLToPath(new URL('scale/child.mjs', import.meta.url)),
    JSON.stringify({
      folder,
      questions: { train: Number(values.questions), test: Number(values.test ?? values.questions) },
      size: { words: Number(values.words), letters: Number(values.letters) },
      k: Number(values.k),
      steps: Number(values.steps),
      given: values.given,
      core: values.core,
    }),
  ],
  { stdio: 'inherit' },
)
if (values.keep === undefined) rmSync(folder, { recursive: true, force: true })
if (child.signal) console.error(`ended by ${child.signal}`)
process.exit(child.status ?? 1)
