import { definePlugin } from '@plumbline/core'
import { Dpo } from './Dpo'
import { dpoOptions } from './options'

export * from './Dpo'
export * from './options'
export { choosePairs } from '@plumbline/core'

export default definePlugin({
  name: '@plumbline/plugin-dpo',
  apiVersion: 1,
  register: (registry) => registry.loss('dpo', { options: dpoOptions, create: (options) => new Dpo(options) }),
})
