// Makes the largest page that the report promises (3,000 questions, 6 candidates, 4 variants), opens it in Chromium, and fails where it is larger
// than 15 MB or the fastest of a few openings takes more than 2 seconds. Times are of this machine: what else it does counts.
//
//   npm run build && node scripts/report-size.mjs [--keep FOLDER]     # needs Chromium; PLUMBLINE_CHROMIUM names it
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { openChromium } from './chromium.cjs'
import { root } from './packing.mjs'

const require = createRequire(import.meta.url)
const { values } = parseArgs({ options: { keep: { type: 'string' } } })
const OPENINGS = 5
const [MOST_BYTES, MOST_SECONDS] = [15e6, 2]

/** The generator of the tests, which is TypeScript. */
function synthetic() {
  const { transformSync } = require('@swc/core')
  const source = readFileSync(join(root, 'packages', 'report', 'test', 'support', 'synthetic-run.ts'), 'utf8')
  const { code } = transformSync(source, { module: { type: 'commonjs' }, jsc: { target: 'es2023', parser: { syntax: 'typescript' } } })
  const made = { exports: {} }
  // oxlint-disable-next-line typescript/no-implied-eval -- it runs what it has just compiled
  new Function('require', 'exports', 'module', code)(require, made.exports, made)
  return made.exports.syntheticRun
}

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'plumb-report-'))
try {
  const run = join(folder, 'run')
  const file = join(folder, 'report.html')
  await synthetic()(run, { questions: 3000, k: 6, variants: ['boundary', 'none', 'dpo', 'control'], steps: 400, words: 40 })
  const started = performance.now()
  const bytes = await require('@plumbline/report').writeHtmlReport(file, { runs: [run] })
  console.log(`written in ${seconds(performance.now() - started)}, ${(bytes / 1e6).toFixed(1)} MB (at most ${MOST_BYTES / 1e6})`)

  const browser = await openChromium()
  const times = []
  for (let n = 0; n < OPENINGS; n++) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    const session = await page.context().newCDPSession(page)
    await session.send('Performance.enable', { timeDomain: 'threadTicks' })
    const begun = performance.now()
    await page.goto(pathToFileURL(file).href)
    // drawn, and its script has run
    await page.locator('.controls output').filter({ hasText: '3000 questions' }).waitFor()
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))')
    const time = (performance.now() - begun) / 1000
    const { metrics } = await session.send('Performance.getMetrics')
    const work = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN
    const first = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    console.log(
      `opened in ${time.toFixed(2)} s (at most ${MOST_SECONDS}); first seen after ${seconds(first)}; ${work.toFixed(2)} s of the page's thread`,
    )
    times.push(time)
    await page.close()
  }
  const version = browser.version()
  await browser.close()
  console.log(`Chromium ${version}, ${cpus().length} × ${cpus()[0]?.model}`)
  if (bytes > MOST_BYTES || Math.min(...times) > MOST_SECONDS) process.exitCode = 1
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true })
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(2)} s`
}
