import { definePlugin } from '@plumbline/core'
import { MarginLoss, marginOptions } from './margin-loss'

export { MarginLoss, marginOptions } from './margin-loss'

export default definePlugin({
  name: 'plumbline-plugin-template',
  apiVersion: 1,
  register: (registry) => registry.loss('template-name', { options: marginOptions, create: (options) => new MarginLoss(options) }),
})
