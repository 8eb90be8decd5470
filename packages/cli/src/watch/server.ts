import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UserError } from '../errors/user-error'
import { watchPage } from './page'
import type { PageState } from './state'

const HOST = '127.0.0.1'
const SEND_EVERY_MS = 250
/** A line that says nothing, so that proxies and sleeping laptops notice a lost connection. */
const KEEP_ALIVE_MS = 15_000

export interface PageServer {
  readonly url: string
  /** Sends what is known now to everybody who looks, at most four times a second. */
  changed(): void
  close(): Promise<void>
}

/**
 * Serves the page of a run on this machine alone: it listens on the loopback address, and answers only requests that name it, so that no page of
 * the web can read along under a name of its own.
 *
 * @param port 0 for any free one
 * @throws UserError PLUMB_WATCH_PORT
 */
export async function servePage(port: number, state: () => PageState): Promise<PageServer> {
  const looking = new Set<ServerResponse>()
  const send = (response: ServerResponse): unknown => response.write(`data: ${JSON.stringify(state())}\n\n`)
  const look = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    looking.add(response)
    response.on('close', () => looking.delete(response))
    send(response)
  }
  const server = createServer((request, response) => {
    if (!isOwnName(request, server)) refuse(response, 403, 'This page is for this machine only.')
    else if (request.method !== 'GET') refuse(response, 405, 'There is nothing to change here.')
    else if (request.url === '/') page(response)
    else if (request.url === '/events') look(response)
    else refuse(response, 404, 'There is no such page.')
  })
  await listening(server, port)
  const everybody = (): void => {
    for (const response of looking) send(response)
  }
  let waiting: NodeJS.Timeout | undefined
  const alive = setInterval(() => {
    for (const response of looking) response.write(':\n\n')
  }, KEEP_ALIVE_MS)
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/`,
    changed: () => {
      waiting ??= setTimeout(() => {
        waiting = undefined
        everybody()
      }, SEND_EVERY_MS)
    },
    close: async () => {
      clearTimeout(waiting)
      clearInterval(alive)
      everybody()
      for (const response of looking) response.end()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), 200).unref()
      await closed
    },
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE' ? 'is in use' : error.code === 'EACCES' ? 'is not permitted' : `cannot be used (${error.message})`
      const message = `Port ${port} ${why}; choose another one with --port, or 0 for any that is free.`
      reject(new UserError('PLUMB_WATCH_PORT', message, '--port', { cause: error }))
    })
    server.listen(port, HOST, () => resolve())
  })
}

/** Another name that leads here is one of somebody's who wants to read along (DNS rebinding). */
function isOwnName({ headers }: IncomingMessage, server: Server): boolean {
  const { port } = server.address() as AddressInfo
  return [`${HOST}:${port}`, `localhost:${port}`].includes(headers.host ?? '')
}

function page(response: ServerResponse): void {
  const nonce = randomBytes(16).toString('base64')
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    // Nothing is loaded from anywhere, and no other page may show this one.
    'content-security-policy': `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  })
  response.end(watchPage(nonce))
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${message}\n`)
}
