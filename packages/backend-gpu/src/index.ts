import { definePlugin, PLUGIN_API_VERSION } from '@plumbline/core'
import { z } from 'zod'
import { GpuBackend } from './backend'

export { GpuBackend } from './backend'

const options = z.strictObject({
  device: z.string().optional(),
  microBatchTokens: z.int().min(1).optional(),
  // Options of every backend that make no difference here.
  threads: z.int().min(1).max(1024).optional().meta({ affectsResults: false }),
  activationMemory: z.enum(['keep', 'recompute']).optional().meta({ affectsResults: false }),
})

export default definePlugin({
  name: '@plumbline/backend-gpu',
  apiVersion: PLUGIN_API_VERSION,
  register: (registry) => registry.backend('gpu', { options, create: (chosen) => new GpuBackend(chosen) }),
})
