import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** A browser that is installed; PLUMBLINE_CHROMIUM names another. */
export const CHROMIUM = [process.env.PLUMBLINE_CHROMIUM, ...PLACES].find((file) => file !== undefined && existsSync(file))

/** Tests that need a browser skip where there is none, and say so. */
export const describeInChromium = CHROMIUM === undefined ? describe.skip : describe
if (CHROMIUM === undefined) console.warn('SKIPPED: no Chromium is installed (apt install chromium), or PLUMBLINE_CHROMIUM is not set.')

export async function openChromium(): Promise<Browser> {
  // As root, as in containers, its sandbox cannot be had; the pages are our own.
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}
