import { definePlugin, PLUGIN_API_VERSION, TOKENS } from '@plumbline/core'
import { TorchBackend } from './backend'
import { torchOptions } from './options'

export { TorchBackend } from './backend'
export { torchOptions, type TorchOptions } from './options'

export default definePlugin({
  name: '@plumbline/backend-torch',
  apiVersion: PLUGIN_API_VERSION,
  register: (registry) =>
    registry.backend('torch', { options: torchOptions, create: (chosen, context) => new TorchBackend(chosen, context.get(TOKENS.logger)) }),
})
