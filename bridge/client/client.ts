// A client of Waslo Bridge: fetch with the types of the service's own document, and with the care that every
// caller needs: a token, keys against doubling, repeats that wait as long as the service asks, pages, errors
// with a code, and an event log that goes on where it was left. No dependencies; Node 18 or later.
import type { components, paths } from './schema.js'

export type Schemas = components['schemas']
export type Event = Schemas['events']['data'][number]

type Method = 'get' | 'post' | 'patch' | 'delete'
export type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never }[keyof paths]
type Operation<M extends Method, P extends keyof paths> = paths[P] extends { [K in M]: infer O } ? O : never
type InPath<O> = O extends { parameters: { path: infer T } } ? T : undefined
type InQuery<O> = O extends { parameters: { query?: infer T } } ? T : undefined
type InBody<O> = O extends { requestBody: { content: { 'application/json': infer T } } } ? T : undefined
type Content<R> = R extends { content: { 'application/json': infer T } } ? T : R extends { content: object } ? string : undefined
export type Answer<O> = O extends { responses: infer R } ? Content<R[Extract<keyof R, 200 | 201 | 202 | 204>]> : never
type Needed<K extends string, T> = [T] extends [undefined] ? { [N in K]?: undefined } : { [N in K]: T }

export interface Common {
  /** The same key gets the same answer for 24 hours; made anew for each call that has none. */
  idempotencyKey?: string
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Milliseconds for one attempt. */
  timeout?: number
}
export type Options<O> = Common & Needed<'path', InPath<O>> & Needed<'body', InBody<O>> & { query?: Exclude<InQuery<O>, undefined> }
type Rest<O> = {} extends Options<O> ? [options?: Options<O>] : [options: Options<O>]
type Item<O> = Answer<O> extends { data: (infer T)[]; next_cursor?: unknown } ? T : never

export interface Settings {
  /** Where the service is, such as https://bridge.example.org. */
  url: string
  /** A token of the organization, or of an operator; a function is asked before each call, for tokens that are rotated. */
  token?: string | (() => string | Promise<string>)
  /** Repeats of one call, 4 without. */
  retries?: number
  /** Milliseconds that a Retry-After may ask for before the call fails instead, a minute without. */
  longestWait?: number
  /** Milliseconds for one attempt, 90 seconds without: longer than any ?wait=. */
  timeout?: number
  fetch?: typeof fetch
}

/** An answer of error: RFC 9457, with a code whose meaning never changes. */
export class Problem extends Error {
  override name = 'Problem'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly errors: { pointer: string; message: string }[],
    readonly requestId: string | undefined,
    /** Milliseconds, when the service named a time. */
    readonly retryAfter: number | undefined,
    /** Of `cursor_expired`: events behind your cursor are gone for good; note that, and go on after this one. */
    readonly oldestCursor?: string | undefined
  ) {
    super(message)
  }
}

export class Bridge {
  readonly #settings: Required<Pick<Settings, 'retries' | 'longestWait' | 'timeout'>> & Settings
  constructor(settings: Settings) {
    this.#settings = { retries: 4, longestWait: 60000, timeout: 90000, ...settings, url: settings.url.replace(/\/+$/, '') }
  }

  get<P extends PathOf<'get'>>(path: P, ...rest: Rest<Operation<'get', P>>): Promise<Answer<Operation<'get', P>>> {
    return this.#call('get', path, rest[0])
  }
  post<P extends PathOf<'post'>>(path: P, ...rest: Rest<Operation<'post', P>>): Promise<Answer<Operation<'post', P>>> {
    return this.#call('post', path, rest[0])
  }
  patch<P extends PathOf<'patch'>>(path: P, ...rest: Rest<Operation<'patch', P>>): Promise<Answer<Operation<'patch', P>>> {
    return this.#call('patch', path, rest[0])
  }
  delete<P extends PathOf<'delete'>>(path: P, ...rest: Rest<Operation<'delete', P>>): Promise<Answer<Operation<'delete', P>>> {
    return this.#call('delete', path, rest[0])
  }

  /** Every item of a list, page after page. */
  async *each<P extends PathOf<'get'>>(path: P, ...rest: Rest<Operation<'get', P>>): AsyncGenerator<Item<Operation<'get', P>>, void> {
    let cursor: string | null | undefined
    do {
      const given = rest[0] as Loose | undefined
      const query = cursor ? { ...given?.query, cursor } : given?.query
      const page = (await this.#call('get', path, { ...given, ...(query ? { query } : {}) })) as Page
      yield* page.data as Item<Operation<'get', P>>[]
      cursor = page.next_cursor
    } while (cursor)
  }

  /** The event log from `after` on, without an end. See Follower. */
  follow(wish: { after?: string; limit?: number; wait?: number; signal?: AbortSignal } = {}): Follower {
    return new Follower(this, wish)
  }

  async #call<T>(method: Method, path: string, options: unknown): Promise<T> {
    const { path: ids, query, body, idempotencyKey, headers, signal, timeout = this.#settings.timeout } = (options ?? {}) as Loose
    const url = this.#settings.url + path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(ids?.[name]))) + printed(query)
    const all: Record<string, string> = { accept: 'application/json', ...headers }
    if (body !== undefined) all['content-type'] = 'application/json'
    if (method !== 'get') all['idempotency-key'] = idempotencyKey ?? (await newKey())
    for (let repeat = 0; ; ++repeat) {
      const { token } = this.#settings
      if (token) all['authorization'] = `Bearer ${typeof token === 'function' ? await token() : token}`
      let failure: unknown
      let wait = backoff(repeat)
      const { within, end } = deadline(timeout, signal)
      try {
        const init = { method: method.toUpperCase(), headers: all, signal: within, redirect: 'error' as const }
        const answer = await (this.#settings.fetch ?? fetch)(url, body === undefined ? init : { ...init, body: JSON.stringify(body) })
        const text = await answer.text()
        if (answer.ok) return (/\bjson\b/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text || undefined) as T
        const problem = problemOf(answer, text)
        if (![429, 503].includes(problem.status) && problem.code !== 'in_flight') throw problem
        failure = problem
        wait = problem.retryAfter ?? wait
      } catch (error) {
        // Not heard, or not in time: every call here may be made again.
        if (error instanceof Problem || signal?.aborted) throw error
        failure = error
      } finally {
        end()
      }
      if (repeat >= this.#settings.retries || wait > this.#settings.longestWait) throw failure
      await sleep(wait, signal)
    }
  }
}

/**
 * Walks the log: `for await (const event of follower)`. An event that you have handled, that is, behind which you
 * asked for the next, is counted by `cursor`; keep it and give it as `after` to go on there. What you had begun
 * when the process ended comes again, with the same id.
 */
export class Follower implements AsyncIterable<Event> {
  cursor: string | undefined
  constructor(
    private readonly bridge: Bridge,
    private readonly wish: { after?: string; limit?: number; wait?: number; signal?: AbortSignal }
  ) {
    this.cursor = wish.after
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    const { limit = 100, wait = 20, signal } = this.wish
    while (!signal?.aborted) {
      const query = { limit, wait, ...(this.cursor === undefined ? {} : { after: this.cursor }) }
      let page
      try {
        page = await this.bridge.get('/v1/events', { query, ...(signal ? { signal } : {}) })
      } catch (error) {
        if (signal?.aborted) return
        throw error
      }
      for (const event of page.data) {
        yield event
        this.cursor = cursorOf(event)
      }
      this.cursor = page.next_cursor
    }
  }
}

/** Where the log goes on behind this event. What numbers it is its session, or what it is about. */
export function cursorOf(event: Event): string {
  const about = event.session_id ?? (event.data as { webhook_id?: string } | null)?.webhook_id ?? event.organization_id
  return `${about}:${event.seq}`
}

interface Loose extends Common {
  path?: Record<string, unknown>
  query?: Record<string, unknown>
  body?: unknown
}
interface Page {
  data: unknown[]
  next_cursor?: string | null
}

function printed(query: Record<string, unknown> | undefined): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined)
  return given.length === 0 ? '' : '?' + given.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')
}

function problemOf(answer: Response, text: string): Problem {
  let body: Partial<Schemas['problem']> = {}
  try {
    body = JSON.parse(text)
  } catch {
    // Something before the service answered.
  }
  const said = body.detail || body.errors?.map(one => `${one.pointer} ${one.message}`).join('; ') || body.title || `HTTP ${answer.status}`
  return new Problem(answer.status, body.code ?? 'unknown', said, body.errors ?? [], answer.headers.get('x-request-id') ?? undefined, waitOf(answer.headers.get('retry-after')), body.oldest_cursor)
}

// Seconds or a date, to milliseconds.
function waitOf(text: string | null): number | undefined {
  if (!text) return undefined
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

// Doubles from 0.2 s to 10 s, and somewhere in the upper half, so that callers spread.
function backoff(repeat: number): number {
  return Math.min(10000, 200 * 2 ** repeat) * (0.5 + Math.random() / 2)
}

function deadline(timeout: number, outer: AbortSignal | undefined) {
  const inner = new AbortController()
  const abort = () => inner.abort(outer?.reason)
  if (outer?.aborted) abort()
  outer?.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(() => inner.abort(new Error(`no answer within ${timeout} ms`)), timeout)
  const end = () => {
    clearTimeout(timer)
    outer?.removeEventListener('abort', abort)
  }
  return { within: inner.signal, end }
}

function sleep(wait: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, wait)
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
  })
}

// Node 18 has no global crypto.
const nodeCrypto: string = 'node:crypto'
async function newKey(): Promise<string> {
  const source: { randomUUID(): string } = globalThis.crypto ?? (await import(nodeCrypto))
  return source.randomUUID()
}
