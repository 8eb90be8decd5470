import { definePlugin } from '@plumbline/core'
import { Orpo, orpoOptions } from './Orpo'

export * from './Orpo'

export default definePlugin({
  name: '@plumbline/plugin-orpo',
  apiVersion: 1,
  register: (registry) => registry.loss('orpo', { options: orpoOptions, create: (options) => new Orpo(options) }),
})
