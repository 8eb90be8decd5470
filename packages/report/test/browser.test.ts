/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ReportContent } from '@plumbline/core'
import type { Browser, Page } from 'playwright-core'
import { writeHtmlReport } from '../src'
import { CHROMIUM, describeInChromium, openChromium } from './support/chromium'
import { syntheticRun } from './support/synthetic-run'

/** What would run, load or turn text around if anything let it. */
const HOSTILE = `</script><script>window.hacked = 1</script><img src="http://x.invalid/a.png" onerror="window.hacked = 1">]]>--></details></style>\u0000\u001b[31m\u202e " ' & `
const VARIANTS = ['boundary', `n"one</td><script>window.hacked = 1</script>`, 'control']

let folder: string
let browser: Browser
let report: ReportContent
let file: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'plumb-report-'))
  file = path.join(folder, 'report.html')
  const run = path.join(folder, 'run')
  report = await syntheticRun(run, { questions: 40, k: 3, variants: VARIANTS, prefix: HOSTILE })
  await writeHtmlReport(file, { runs: [run] })
  if (CHROMIUM !== undefined) browser = await openChromium()
})
afterAll(async () => {
  if (CHROMIUM !== undefined) await browser.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Opens the page and collects everything that it says, asks for or fails at. */
async function opened(options: { readonly javaScriptEnabled?: boolean } = {}): Promise<{ page: Page; said: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
  const page = await context.newPage()
  const said: string[] = []
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  page.on('request', (request) => request.url() === pathToFileURL(file).href || said.push(`request: ${request.url()}`))
  await page.goto(pathToFileURL(file).href)
  return { page, said }
}

const FIGURES = ['accuracy', 'assessmentAccuracy', 'positivePerplexity', 'negativePerplexity', 'parseFailures'] as const

/** The results table as `data-model` → figure → value. */
async function tableOf(page: Page): Promise<Record<string, Record<string, string>>> {
  const rows = page.locator('#results table.results tbody tr')
  const read = await rows.evaluateAll((all) =>
    all.map((row) => {
      const cells = (selector: string, suffix: string, attribute: string) =>
        [...row.querySelectorAll(selector)].map((cell): [string, string] => [
          `${cell.getAttribute('data-figure') ?? ''}${suffix}`,
          cell.getAttribute(attribute) ?? '',
        ])
      return {
        name: row.getAttribute('data-model') ?? '',
        values: [...cells('[data-figure]', '', 'data-value'), ...cells('[data-second]', '/2', 'data-second')],
      }
    }),
  )
  return Object.fromEntries(read.map(({ name, values }) => [name, Object.fromEntries(values)]))
}

function expectFiguresOf(shown: Record<string, Record<string, string>>): void {
  expect(Object.keys(shown)).toEqual(report.rows.map(({ name }) => name))
  for (const row of report.rows) {
    const of = shown[row.name] ?? {}
    for (const figure of FIGURES) expect(of[figure]).toBe(String(row[figure]))
    expect([of.interval, of['interval/2']]).toEqual(row.interval?.map(String))
    const { difference, standardError } = row.versusControl ?? {}
    expect([of.difference, of['difference/2']]).toEqual([
      String(difference ?? ''),
      standardError === undefined ? undefined : String(standardError),
    ])
  }
}

describeInChromium('the page in Chromium', () => {
  it('opens without a request, a message or an error, with the figures of report.json; what stands in the data does nothing', async () => {
    const { page, said } = await opened()
    expectFiguresOf(await tableOf(page))
    expect(await page.evaluate('window.hacked')).toBeUndefined()
    expect(await page.locator('script').count()).toBe(1)
    expect(await page.locator('img').count()).toBe(0)
    await page.locator('.q summary').first().click()
    expect(await page.locator('.q[open] .t').innerText()).toContain('</script><script>window.hacked = 1</script>')
    expect(await page.locator('.q[open] .t').innerText()).toContain('\\x00\\x1b[31m\\u202e')
    expect(said).toEqual([])
  })

  it('draws every chart', async () => {
    const { page } = await opened()
    const titles = await page.locator('figure:has(svg[role="img"][aria-label]) figcaption b').allInnerTexts()
    expect(titles).toEqual(
      expect.arrayContaining([
        ...[
          'Accuracy',
          'Paired difference to control',
          'Loss',
          'Score of right candidates',
          'Score of wrong candidates',
          'Margin between right and wrong',
        ],
        ...[
          'Perplexity of wrong candidates',
          'Pairs in the right order',
          'Loss of stage 1',
          'VFT',
          ...VARIANTS,
          'Right by score',
          'How hard the questions are',
        ],
      ]),
    )
    for (const box of await page.locator('figure svg').evaluateAll((all) => all.map((svg) => svg.getBoundingClientRect().height)))
      expect(box).toBeGreaterThan(50)
  })

  it('orders the table by a click on its heads', async () => {
    const { page } = await opened()
    const names = () =>
      page.locator('#results table.results tbody tr').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-model')))
    const by = (value: (row: ReportContent['rows'][number]) => number) =>
      [...report.rows].sort((a, b) => value(b) - value(a)).map(({ name }) => name)
    await page.getByRole('button', { name: 'Accuracy', exact: true }).first().click()
    expect(await names()).toEqual(by(({ accuracy = 0 }) => accuracy))
    await page.getByRole('button', { name: 'Accuracy', exact: true }).first().click()
    expect(await names()).toEqual(by(({ accuracy = 0 }) => -accuracy))
    await page.getByRole('button', { name: 'Perplexity of wrong' }).first().click()
    expect(await names()).toEqual(by(({ negativePerplexity = 0 }) => negativePerplexity))
  })

  it('filters, searches and orders the questions', async () => {
    const { page } = await opened()
    const shown = () =>
      page
        .locator('.q:not([hidden])')
        .evaluateAll((all) =>
          all.map((question) => [question.querySelector('code')?.textContent, question.getAttribute('data-a')] as const),
        )
    expect(await shown()).toHaveLength(40)
    // changed for the worse first, then for the better, as without the script
    const order = ['rw', 'wr', 'ww', 'rr'].map((code) => page.locator(`.q[data-c=${code}]`))
    const kinds = await page.locator('.q').evaluateAll((all) => all.map((question) => question.getAttribute('data-c')))
    const counts = await Promise.all(order.map(async (each) => each.count()))
    expect(kinds).toEqual(['rw', 'wr', 'ww', 'rr'].flatMap((code, n) => new Array<string>(counts[n] ?? 0).fill(code)))

    await page.locator('select[name=model]').selectOption({ label: 'boundary' })
    await page.locator('select[name=change]').selectOption('rw')
    const lost = await shown()
    expect(lost.every(([, answers]) => answers?.startsWith('rw'))).toBe(true)
    // of all questions, the number that the table above the list has
    expect(lost).toHaveLength(Number(await page.locator('.tally tr[data-model=boundary] [data-change=rw]').innerText()))
    expect(lost.length).toBeGreaterThan(0)
    expect(await page.locator('.controls output').innerText()).toBe(`${lost.length} of 40 questions`)

    await page.locator('select[name=change]').selectOption('')
    await page.locator('select[name=order]').selectOption('id')
    expect((await shown()).map(([id]) => id)).toEqual(Array.from({ length: 40 }, (_, n) => `test:${n + 1}`))
    await page.locator('select[name=order]').selectOption('m')
    const margins = await page.locator('.q').evaluateAll((all) =>
      all
        .map((each) => (each.getAttribute('data-m') ?? '').split(' ')[1] ?? '')
        .filter(Boolean)
        .map(Number),
    )
    expect(margins).toEqual([...margins].sort((a, b) => a - b))
    await page.locator('input[name=text]').fill('test:17')
    expect((await shown()).map(([id]) => id)).toEqual(['test:17'])
  })

  it('has its tables, its questions and its charts without JavaScript', async () => {
    const { page, said } = await opened({ javaScriptEnabled: false })
    const text = readFileSync(file, 'utf8')
    expect(text).toContain(`data-value="${report.rows[0]?.accuracy}"`)
    expect(await page.locator('#results table.results tbody tr').count()).toBe(4)
    expect(await page.locator('#results table.results').innerText()).toContain((100 * (report.rows[1]?.accuracy ?? 0)).toFixed(1))
    expect(await page.locator('.controls').isVisible()).toBe(false)
    await page.locator('.q summary').nth(2).click()
    expect(await page.locator('.q[open] .k li').first().isVisible()).toBe(true)
    expect(await page.locator('figure svg').first().isVisible()).toBe(true)
    expect(said).toEqual([])
  })

  it('is dark where the reader’s system is, and light on paper', async () => {
    const { page } = await opened()
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await ground()).toBe('rgb(20, 23, 28)')
    await page.emulateMedia({ colorScheme: 'dark', media: 'print' })
    expect(await ground()).toBe('rgb(255, 255, 255)')
    expect(await page.locator('nav').isVisible()).toBe(false)
    expect((await page.pdf()).length).toBeGreaterThan(10_000)
  })
})
