import { CHROMIUM } from '../../../../scripts/chromium.cjs'

export { CHROMIUM, openChromium } from '../../../../scripts/chromium.cjs'

/** Tests that need a browser skip where there is none, and say so. */
export const describeInChromium = CHROMIUM === undefined ? describe.skip : describe
if (CHROMIUM === undefined) console.warn('SKIPPED: no Chromium is installed (apt install chromium), or PLUMBLINE_CHROMIUM is not set.')
