import type { Plugin } from '@plumbline/core'

export * from './dist/index.js'
declare const plugin: Plugin
export default plugin
