import { definePlugin } from '@plumbline/core'
import { LadderSampler, ladderOptions } from './ladder-sampler'

export { LadderSampler, ladderOptions } from './ladder-sampler'

export default definePlugin({
  name: 'plumbline-plugin-template',
  apiVersion: 1,
  register: (registry) => registry.sampler('template-name', { options: ladderOptions, create: (options) => new LadderSampler(options) }),
})
