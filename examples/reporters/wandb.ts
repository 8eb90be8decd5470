import { definePlugin } from '@plumbline/core'
import { z } from 'zod'
import { python, TrackerReporter } from './tracker'

export const wandbOptions = z.strictObject({
  project: z.string().min(1).default('plumbline').describe('The project of W&B; made where it is not there.'),
  entity: z.string().min(1).optional().describe("A user or team of W&B; the account's own when absent."),
  python,
})

/** Tells Weights & Biases by its Python client. The key, the server and offline mode are the client's: WANDB_API_KEY, WANDB_BASE_URL, WANDB_MODE. */
export const wandbReporter = ({ python, ...init }: z.output<typeof wandbOptions>): TrackerReporter =>
  // What is not sent lies in the run folder, where it goes with the run.
  new TrackerReporter({ client: 'wandb', python, init: (run) => ({ ...init, dir: process.env.WANDB_DIR ?? run }) })

export default definePlugin({
  name: 'plumbline-reporter-wandb',
  apiVersion: 1,
  register: (registry) => registry.reporter('wandb', { options: wandbOptions, create: wandbReporter }),
})
