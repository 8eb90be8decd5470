import { definePlugin } from '@plumbline/core'
import { qaTextOptions, qaTextReader } from './qa-text'

export { qaTextOptions, qaTextReader } from './qa-text'

export default definePlugin({
  name: 'plumbline-plugin-template',
  apiVersion: 1,
  register: (registry) => registry.dataset('template-name', { options: qaTextOptions, create: (options) => qaTextReader(options) }),
})
