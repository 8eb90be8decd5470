import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { PlumbError } from '@plumbline/core/base'
import { objectOf, unreadable } from './protocol'

export interface ClientOptions {
  readonly url: string
  readonly apiKey?: string | undefined
  readonly retries: number
  /** Seconds. */
  readonly timeout: number
  readonly concurrency: number
  /** Why the server will not answer any more, where that is known. */
  readonly ended?: () => Error | undefined
  /** Milliseconds before the first repetition; doubled each time. */
  readonly pause?: number
}

/** Most milliseconds between two tries. */
const LONGEST_PAUSE = 60_000
/** Of what a server says to an error, as much as is shown. */
const SHOWN = 300
const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504])

interface Answer {
  readonly status: number
  readonly body: string
  readonly retryAfter: string | undefined
}

interface NoAnswer {
  /** What went wrong on the way. */
  readonly broken: Error
}

/** JSON to and from a server, tried again where that may help. Not `fetch`: it gives up after five minutes without a header. */
export class Client {
  private readonly base: URL
  private readonly agent: HttpAgent

  constructor(private readonly options: ClientOptions) {
    // Paths below name `/v1` themselves.
    this.base = new URL(options.url.replace(/\/+$/, '').replace(/\/v1$/, ''))
    const keepAlive = { keepAlive: true, maxSockets: options.concurrency }
    this.agent = this.base.protocol === 'https:' ? new HttpsAgent(keepAlive) : new HttpAgent(keepAlive)
  }

  /** The address, for errors. */
  get address(): string {
    return this.base.href.replace(/\/$/, '')
  }

  /**
   * @param body sent as JSON by POST; GET where it is absent.
   * @throws PlumbError PLUMB_SERVER_UNREACHABLE, PLUMB_SERVER_FAILED for a status that is no success, PLUMB_SERVER_ANSWER for what is no JSON;
   *   the signal's reason.
   */
  async json(path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    const { retries, pause = 500, ended } = this.options
    for (let tried = 0; ; tried++) {
      const outcome = await this.send(path, body, signal)
      if ('status' in outcome && outcome.status < 300) return this.parsed(outcome.body, path)
      const gone = ended?.()
      if (gone) throw gone
      const isFinal = tried >= retries || ('status' in outcome && !AGAIN.has(outcome.status))
      if (isFinal) throw this.failure(outcome, path, tried + 1)
      const asked = 'status' in outcome ? secondsOf(outcome.retryAfter) : undefined
      await sleep(Math.min(LONGEST_PAUSE, asked === undefined ? pause * 2 ** tried : asked * 1000), undefined, { signal }).catch(() =>
        signal?.throwIfAborted(),
      )
    }
  }

  /** The status of a request without a body; undefined where nobody answers. */
  async status(path: string, signal?: AbortSignal): Promise<number | undefined> {
    const outcome = await this.send(path, undefined, signal)
    return 'status' in outcome ? outcome.status : undefined
  }

  close(): void {
    this.agent.destroy()
  }

  /** @throws the signal's reason, and nothing else */
  private async send(path: string, body: unknown, signal: AbortSignal | undefined): Promise<Answer | NoAnswer> {
    signal?.throwIfAborted()
    const { apiKey, timeout } = this.options
    const text = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions = {
      agent: this.agent,
      method: text === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
    }
    const target = new URL(`${this.address}${path}`)
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(new Error(`it took more than ${timeout} seconds`)), timeout * 1000)
    const stop = AbortSignal.any([limit.signal, ...(signal ? [signal] : [])])
    try {
      return await exchange(target, options, text, stop)
    } catch (error) {
      signal?.throwIfAborted()
      return { broken: (limit.signal.aborted ? limit.signal.reason : error) as Error }
    } finally {
      clearTimeout(timer)
    }
  }

  private parsed(text: string, path: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      throw unreadable(`it is no JSON (${this.shown(text)})`, this.address + path)
    }
  }

  private failure(outcome: Answer | NoAnswer, path: string, tries: number): PlumbError {
    const often = tries > 1 ? `, ${tries} times` : ''
    if ('broken' in outcome) {
      const what = `The server gives no answer${often}: ${this.hidden(reasonOf(outcome.broken))}.`
      return new PlumbError('PLUMB_SERVER_UNREACHABLE', what, this.address, { cause: outcome.broken })
    }
    const { status, body } = outcome
    const hint = status === 401 || status === 403 ? ' (apiKey is what is sent as the key)' : ''
    return new PlumbError(
      'PLUMB_SERVER_FAILED',
      `The server answers with ${status}${often}${hint}: ${this.shown(said(body))}`,
      this.address + path,
    )
  }

  private shown(text: string): string {
    const line = this.hidden(text.replaceAll(/\s+/g, ' ').trim())
    return line === '' ? 'nothing' : line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line
  }

  /** Servers quote what they were sent. */
  private hidden(text: string): string {
    const { apiKey } = this.options
    return apiKey === undefined ? text : text.replaceAll(apiKey, '(secret)')
  }
}

/** One request and its whole answer. */
function exchange(target: URL, options: RequestOptions, body: string | undefined, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(target, { ...options, signal }, (response: IncomingMessage) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        if (!response.complete) {
          reject(new Error('it broke off in the middle'))
          return
        }
        const status = response.statusCode ?? 0
        resolve({ status, body: Buffer.concat(pieces).toString('utf8'), retryAfter: response.headers['retry-after'] })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** What an error's body says, in the forms that servers have for it. */
function said(body: string): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return body
  }
  const { error, message, detail } = objectOf(parsed)
  const found = [objectOf(error).message, error, message, detail].find((each) => typeof each === 'string')
  return typeof found === 'string' ? found : body
}

function secondsOf(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  const seconds = Number(retryAfter)
  const until = Number.isFinite(seconds) ? seconds : (Date.parse(retryAfter) - Date.now()) / 1000
  return Number.isFinite(until) ? Math.max(0, until) : undefined
}

function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  if (code === 'ENOTFOUND') return 'there is no such host'
  if (code === 'ECONNRESET') return 'it broke off in the middle'
  return error.message === '' ? (code ?? error.name) : error.message
}
