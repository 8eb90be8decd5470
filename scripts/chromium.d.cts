import type { Browser } from 'playwright-core'

/** The browser's file; undefined where there is none. */
export const CHROMIUM: string | undefined

/** @throws Error where there is none. */
export function openChromium(): Promise<Browser>
