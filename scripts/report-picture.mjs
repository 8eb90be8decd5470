// Makes docs/report.png, the picture of a report in README.md: the top of the page of a run, the quickstart's where none is named.
//
//   npm run quickstart && node scripts/report-picture.mjs [RUN]     # needs Chromium; PLUMBLINE_CHROMIUM names it
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openChromium } from './chromium.cjs'
import { root } from './packing.mjs'

const MOST_BYTES = 200_000
const run = process.argv[2] ?? join(root, 'examples', 'arithmetic', 'runs', 'quickstart')
const picture = join(root, 'docs', 'report.png')
const folder = mkdtempSync(join(tmpdir(), 'plumb-report-'))
try {
  const file = join(folder, 'report.html')
  await createRequire(import.meta.url)('@plumbline/report').writeHtmlReport(file, { runs: [run] })
  const browser = await openChromium()
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme: 'light', deviceScaleFactor: 0.72 })
  await page.goto(pathToFileURL(file).href)
  // up to the scores of wrong candidates, which show what constraints are for
  const last = await page.locator('#training figure').nth(2).boundingBox()
  await page.screenshot({ path: picture, fullPage: true, clip: { x: 0, y: 0, width: 1200, height: Math.ceil(last.y + last.height + 24) } })
  await browser.close()
  const { size } = statSync(picture)
  console.log(`docs/report.png: ${Math.round(size / 1000)} kB`)
  if (size > MOST_BYTES) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
