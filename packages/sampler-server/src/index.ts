import { definePlugin, PLUGIN_API_VERSION, TOKENS } from '@plumbline/core'
import { openaiOptions, vllmOptions } from './options'
import { ServerSampler } from './sampler'
import { startedOn } from './started'

export { openaiOptions, vllmOptions, type OpenaiOptions, type RequestOptions, type VllmOptions } from './options'
export { ServerSampler, type Provider, type Running } from './sampler'

export default definePlugin({
  name: '@plumbline/sampler-server',
  apiVersion: PLUGIN_API_VERSION,
  register: (registry) => {
    registry.sampler('openai', {
      options: openaiOptions,
      create: (options, context) =>
        new ServerSampler('openai', options, () => Promise.resolve({ url: options.url }), context.get(TOKENS.logger)),
    })
    registry.sampler('vllm', {
      options: vllmOptions,
      create: ({ url, command, args, startTimeout, ...options }, context) => {
        const logger = context.get(TOKENS.logger)
        const provider =
          url === undefined
            ? startedOn({ command, args, startTimeout, folder: context.get(TOKENS.run).folder, logger })
            : () => Promise.resolve({ url })
        return new ServerSampler('vllm', { ...options, server: 'vllm' }, provider, logger)
      },
    })
  },
})
