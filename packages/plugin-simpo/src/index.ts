import { definePlugin } from '@plumbline/core'
import { Simpo, simpoOptions } from './Simpo'

export * from './Simpo'

export default definePlugin({
  name: '@plumbline/plugin-simpo',
  apiVersion: 1,
  register: (registry) => registry.loss('simpo', { options: simpoOptions, create: (options) => new Simpo(options) }),
})
