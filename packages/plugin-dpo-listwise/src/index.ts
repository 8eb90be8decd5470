import { definePlugin } from '@plumbline/core'
import { DpoListwise, dpoListwiseOptions } from './DpoListwise'

export * from './DpoListwise'

export default definePlugin({
  name: '@plumbline/plugin-dpo-listwise',
  apiVersion: 1,
  register: (registry) => registry.loss('dpo-listwise', { options: dpoListwiseOptions, create: (options) => new DpoListwise(options) }),
})
