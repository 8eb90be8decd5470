/** Opens a report in Chromium as its reader does, and sees that it is whole. */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { CHROMIUM, openChromium } from './chromium.cjs'
import { say } from './packing.mjs'

/** A browser, or undefined with a line that says so. */
export async function openBrowser() {
  if (CHROMIUM !== undefined) return openChromium()
  console.error('SKIPPED: no Chromium is installed (apt install chromium), so that no page is opened.')
  return undefined
}

/** The table of the page has the rows and accuracies of the run's report, nothing is fetched, and nothing fails. */
export async function lookAt(browser, file, report, picture) {
  if (browser === undefined) return
  say(`open ${file.split(/[/\\]/).at(-1)} in Chromium`)
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme: 'light' })
  const said = []
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  page.on('request', (request) => request.url() === pathToFileURL(file).href || said.push(`request: ${request.url()}`))
  await page.goto(pathToFileURL(file).href)
  const shown = await page
    .locator('#results table.results tbody tr')
    .evaluateAll((rows) => rows.map((row) => [row.dataset.model, row.querySelector('[data-figure="accuracy"]')?.dataset.value]))
  assert.deepEqual(
    shown,
    report.rows.map(({ name, accuracy }) => [name, String(accuracy)]),
  )
  assert.deepEqual(said, [])
  if (picture !== undefined) await page.screenshot({ path: picture, clip: { x: 0, y: 0, width: 1200, height: 1000 } })
  await page.close()
}
