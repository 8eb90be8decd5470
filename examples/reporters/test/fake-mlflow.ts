import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  readonly endpoint: string
  readonly body: Readonly<Record<string, unknown>>
  readonly authorization?: string
}

/** A tracking server that remembers what it was asked, and answers as MLflow's REST API does. */
export async function fakeMlflow(status = 200): Promise<{ readonly url: string; readonly calls: Call[]; close(): Promise<void> }> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      const { pathname } = new URL(request.url ?? '', 'http://127.0.0.1')
      const endpoint = pathname.replace('/api/2.0/mlflow/', '')
      const { authorization } = request.headers
      calls.push({ endpoint, body: (text === '' ? {} : JSON.parse(text)) as Call['body'], ...(authorization ? { authorization } : {}) })
      const isUnknown = endpoint === 'experiments/get-by-name'
      response.writeHead(isUnknown ? 404 : status, { 'content-type': 'application/json' })
      const answers: Readonly<Record<string, object>> = {
        'experiments/get-by-name': { error_code: 'RESOURCE_DOES_NOT_EXIST' },
        'experiments/create': { experiment_id: '7' },
        'runs/create': { run: { info: { run_id: 'abc' } } },
      }
      response.end(JSON.stringify(answers[endpoint] ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}
