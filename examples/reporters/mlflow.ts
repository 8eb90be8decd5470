import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { definePlugin, type ReportedEvent, type ReportedRun, type Reporter, type RunEnd } from '@plumbline/core'
import { z } from 'zod'

export const mlflowOptions = z.strictObject({
  url: z.url().default('http://127.0.0.1:5000').describe('The tracking server.'),
  experiment: z.string().min(1).default('plumbline').describe('Made where it is not there.'),
  name: z.string().min(1).optional().describe("The run's name; the run folder's when absent."),
  token: z.string().optional().describe('A bearer token, as `${env:MLFLOW_TRACKING_TOKEN}`.').meta({ secret: true }),
})

type MlflowOptions = z.output<typeof mlflowOptions>

interface Metric {
  readonly key: string
  readonly value: number
  readonly timestamp: number
  readonly step: number
}

/** What the run folder keeps, so that a run which goes on is the same one there, and no step is sent twice. */
interface Kept {
  readonly runId: string
  /** Stage folder → its last step. */
  readonly steps: Record<string, number>
}

const MOST_METRICS = 1_000
const MOST_PARAMETERS = 100

/** Sends a run to an MLflow tracking server by its REST API: settings as parameters, every step's figures, and the closing table. */
export class MlflowReporter implements Reporter {
  private kept: Kept | undefined
  private file = ''
  private waiting: Metric[] = []
  private stage = ''

  constructor(private readonly options: MlflowOptions) {}

  async start({ run, seed, engine, model, settings }: ReportedRun): Promise<void> {
    this.file = path.join(run, 'mlflow.json')
    this.kept = (JSON.parse(await readFile(this.file, 'utf8').catch(() => 'null')) as Kept | null) ?? undefined
    if (this.kept) {
      await this.post('runs/update', { run_id: this.kept.runId, status: 'RUNNING' })
      return
    }
    const { run: made } = await this.post<{ run: { info: { run_id: string } } }>('runs/create', {
      experiment_id: await this.experiment(),
      run_name: this.options.name ?? path.basename(run),
      start_time: Date.now(),
    })
    this.kept = { runId: made.info.run_id, steps: {} }
    const all = Object.entries(flat({ ...settings, seed, engine, model: path.basename(model) }))
    for (let n = 0; n < all.length; n += MOST_PARAMETERS) {
      const params = all.slice(n, n + MOST_PARAMETERS).map(([key, value]) => ({ key, value: value.slice(0, 500) }))
      await this.post('runs/log-batch', { run_id: this.kept.runId, params })
    }
    await this.keep()
  }

  async event(event: ReportedEvent, time: number): Promise<void> {
    if (event.type === 'stage-start') this.stage = path.basename(event.path)
    if (event.type === 'stage-end') await this.send()
    if (event.type !== 'progress' || event.unit !== 'steps' || !event.metrics || !this.kept) return
    const { step = event.done, ...figures } = event.metrics
    if (step <= (this.kept.steps[this.stage] ?? 0)) return
    this.kept.steps[this.stage] = step
    const name = [event.stage, event.variant].filter(Boolean).join('/')
    for (const [key, value] of Object.entries(figures)) this.waiting.push({ key: `${name}/${key}`, value, timestamp: time, step })
    if (this.waiting.length >= MOST_METRICS / 2) await this.send()
  }

  async end({ outcome, report }: RunEnd, time: number): Promise<void> {
    if (!this.kept) return
    for (const { name, accuracy, assessmentAccuracy } of report?.rows ?? []) {
      const figures = { accuracy, assessmentAccuracy }
      for (const [key, value] of Object.entries(figures)) {
        if (value !== undefined) this.waiting.push({ key: `report/${name}/${key}`, value, timestamp: time, step: 0 })
      }
    }
    await this.send()
    const status = { done: 'FINISHED', interrupted: 'KILLED', failed: 'FAILED' }[outcome]
    await this.post('runs/update', { run_id: this.kept.runId, status, end_time: time })
  }

  /** Steps count as sent once the server has them: one that is killed in between sends them again, which MLflow takes for the same. */
  private async send(): Promise<void> {
    while (this.kept && this.waiting.length > 0) {
      const metrics = this.waiting.splice(0, MOST_METRICS)
      await this.post('runs/log-batch', { run_id: this.kept.runId, metrics })
    }
    await this.keep()
  }

  private async keep(): Promise<void> {
    await writeFile(this.file, `${JSON.stringify(this.kept)}\n`)
  }

  private async experiment(): Promise<string> {
    const { experiment } = this.options
    const query = `experiments/get-by-name?experiment_name=${encodeURIComponent(experiment)}`
    const found = await this.request(query, 'GET')
    if (found.ok) return ((await found.json()) as { experiment: { experiment_id: string } }).experiment.experiment_id
    if (found.status !== 404) throw await refusal(query, found)
    return (await this.post<{ experiment_id: string }>('experiments/create', { name: experiment })).experiment_id
  }

  private async post<T = unknown>(endpoint: string, body: object): Promise<T> {
    const response = await this.request(endpoint, 'POST', JSON.stringify(body))
    if (!response.ok) throw await refusal(endpoint, response)
    return (await response.json()) as T
  }

  private request(endpoint: string, method: string, body?: string): Promise<Response> {
    const { url, token } = this.options
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    return fetch(new URL(`api/2.0/mlflow/${endpoint}`, url.endsWith('/') ? url : `${url}/`), {
      method,
      body,
      headers,
      signal: AbortSignal.timeout(10_000),
    })
  }
}

async function refusal(endpoint: string, response: Response): Promise<Error> {
  return new Error(`MLflow answers ${endpoint.replace(/\?.*/, '')} with ${response.status}: ${(await response.text()).slice(0, 200)}`)
}

/** `{ sft: { steps: 3 } }` → `{ 'sft.steps': '3' }`. */
function flat(value: unknown, at = ''): Record<string, string> {
  if (typeof value !== 'object' || value === null) return { [at]: String(value) }
  return Object.assign({}, ...Object.entries(value).map(([key, inner]) => flat(inner, at === '' ? key : `${at}.${key}`))) as Record<
    string,
    string
  >
}

export default definePlugin({
  name: 'plumbline-reporter-mlflow',
  apiVersion: 1,
  register: (registry) => registry.reporter('mlflow', { options: mlflowOptions, create: (options) => new MlflowReporter(options) }),
})
