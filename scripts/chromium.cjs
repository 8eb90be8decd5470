/** The Chromium of scripts and tests: one that is installed, or that PLUMBLINE_CHROMIUM names. CommonJS, so that both can load it. */
const { existsSync } = require('node:fs')

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

const CHROMIUM = [process.env.PLUMBLINE_CHROMIUM, ...PLACES].find((file) => file !== undefined && existsSync(file))

async function openChromium() {
  if (CHROMIUM === undefined) throw new Error('No Chromium is installed (apt install chromium), and PLUMBLINE_CHROMIUM names none.')
  const { chromium } = require('playwright-core')
  // As root, as in containers, its sandbox cannot be had; the pages are our own.
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

module.exports = { CHROMIUM, openChromium }
