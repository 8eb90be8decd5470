import { definePlugin } from '@plumbline/core'
import { ExactMatch, exactMatchOptions } from './exact-match'

export { ExactMatch, exactMatchOptions } from './exact-match'

export default definePlugin({
  name: 'plumbline-plugin-template',
  apiVersion: 1,
  register: (registry) => registry.labeler('template-name', { options: exactMatchOptions, create: (options) => new ExactMatch(options) }),
})
