/// <reference lib="dom" />
import type { RunEvent } from '@plumbline/core'
import type { Browser } from 'playwright-core'
import { CHROMIUM, describeInChromium, openChromium } from '../../report/test/support/chromium'
import { servePage, type PageServer } from '../src/watch/server'
import { PageRenderer } from '../src/watch/state'
import { RUN, SIGNED_STAGES, START } from './progress/support'

const HOSTILE = `</script><script>window.hacked = 1</script><img src="http://x.invalid/a.png" onerror="window.hacked = 1">`

let browser: Browser
let server: PageServer
let now = START
beforeAll(async () => {
  if (CHROMIUM !== undefined) browser = await openChromium()
})
afterAll(async () => {
  if (CHROMIUM !== undefined) await browser.close()
})
afterEach(() => server.close())

async function opened() {
  const renderer = new PageRenderer(
    () => server.changed(),
    () => now,
  )
  server = await servePage(0, () => renderer.state())
  const tell = (events: readonly (readonly [number, RunEvent])[]): void => {
    for (const [seconds, event] of events) {
      now = START + 1000 * seconds
      renderer.handle(event, now)
    }
  }
  tell(RUN)
  const page = await (await browser.newContext()).newPage()
  const said: string[] = []
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => said.push(`error: ${error.message}`))
  page.on('request', (request) => {
    if (![server.url, `${server.url}events`].includes(request.url())) said.push(`request: ${request.url()}`)
  })
  await page.goto(server.url)
  await page.waitForSelector('#stages tr')
  const rows = () =>
    page
      .locator('#stages tr')
      .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => (cell as HTMLElement).innerText.trim())))
  return { renderer, tell, page, said, rows }
}

describeInChromium('the page of a run', () => {
  it('shows the list, goes on by itself, and asks for nothing else', async () => {
    const { renderer, tell, page, said, rows } = await opened()
    const list = await rows()
    expect(list.map(([sign, name]) => `${sign ?? ''} ${name ?? ''}`)).toEqual(SIGNED_STAGES)
    expect(list[4]).toEqual(['▸', 'align none', '40/100 steps', '0:30 left', '1.333', '0.7', '12345 tokens/s'])
    expect(await page.locator('#stages svg').count()).toBe(4)
    expect(await page.title()).toBe('48 % · Plumbline')

    tell([
      [90, { type: 'notice', level: 'warning', message: HOSTILE }],
      [91, { type: 'stage-end', stage: 'align', variant: 'none', path: '', seconds: 30, summary: HOSTILE, figures: {} }],
      [92, { type: 'run-end', outcome: 'interrupted', seconds: 92, error: { message: 'x' } }],
    ])
    renderer.close()
    await page.waitForFunction(() => document.title.startsWith('interrupted'))
    expect((await rows())[4]).toEqual(['✓', 'align none', '', '0:30', '1.333', '0.7', HOSTILE])
    expect(await page.locator('#notices li').allInnerTexts()).toEqual([`warning: ${HOSTILE}`])
    expect(await page.evaluate('window.hacked')).toBeUndefined()
    expect(said).toEqual([])
  })

  it('says when the process is gone, and when nobody answers', async () => {
    const { renderer, page } = await opened()
    renderer.gone()
    await page.waitForFunction(() => document.title.startsWith('its process is gone'))
    expect(await page.locator('#stages .stopped').count()).toBe(1)

    await server.close()
    const other = await opened()
    await server.close()
    await other.page.waitForFunction(() => document.getElementById('time')?.textContent.startsWith('plumb watch does not answer'))
  })
})
