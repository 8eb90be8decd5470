import { definePlugin } from '@plumbline/core'
import { Kto, ktoOptions } from './Kto'

export * from './Kto'

export default definePlugin({
  name: '@plumbline/plugin-kto',
  apiVersion: 1,
  register: (registry) => registry.loss('kto', { options: ktoOptions, create: (options) => new Kto(options) }),
})
