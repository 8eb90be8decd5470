import { createRequire } from 'node:module'
export const { isPlumbError } = createRequire(import.meta.url)('@plumbline/core')
