import { definePlugin } from '@plumbline/core'
import { z } from 'zod'
import { python, TrackerReporter } from './tracker'

export const trackioOptions = z.strictObject({
  project: z.string().min(1).default('plumbline').describe('The project of trackio; made where it is not there.'),
  space: z.string().min(1).optional().describe('A Space of Hugging Face, as user/name; files on this machine when absent.'),
  python,
})

/** Tells trackio by its Python client, which keeps runs on this machine (TRACKIO_DIR), in a Space or on a server (TRACKIO_SERVER_URL). */
export const trackioReporter = ({ python, project, space }: z.output<typeof trackioOptions>): TrackerReporter =>
  new TrackerReporter({
    client: 'trackio',
    python,
    init: () => ({ project, ...(space === undefined ? {} : { space_id: space }) }),
  })

export default definePlugin({
  name: 'plumbline-reporter-trackio',
  apiVersion: 1,
  register: (registry) => registry.reporter('trackio', { options: trackioOptions, create: trackioReporter }),
})
