// Calls to our own API. An answer of error becomes a Problem with the stable code of the document.

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `HTTP ${status}`)
    this.status = status
    this.code = body?.code ?? 'unreachable'
    this.errors = body?.errors ?? []
    this.oldestCursor = body?.oldest_cursor
  }
}

const lost = new EventTarget()
// Called when a call says that nobody is signed in any more, or not with enough.
export const onSignedOut = callback => lost.addEventListener('lost', callback)

export async function call(method, path, body, { accept = 'application/json', quiet = false } = {}) {
  let answer
  try {
    answer = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: { accept, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
  } catch {
    throw new Problem(0, { code: 'unreachable' })
  }
  const type = answer.headers.get('content-type') ?? ''
  if (!answer.ok) {
    const problem = new Problem(answer.status, type.includes('json') ? await answer.json().catch(() => undefined) : undefined)
    if (!quiet && (problem.code === 'second_factor_required' || (answer.status === 401 && problem.code === 'unauthenticated'))) lost.dispatchEvent(new Event('lost'))
    throw problem
  }
  if (answer.status === 204) return undefined
  return type.includes('json') && accept === 'application/json' ? answer.json() : answer.text()
}
export const get = (path, options) => call('GET', path, undefined, options)
export const post = (path, body, options) => call('POST', path, body, options)
export const patch = (path, body) => call('PATCH', path, body)
export const erase = path => call('DELETE', path)

// Every item of a paged list; a console page that needs more than this many is the wrong tool.
export async function all(path, most = 1000) {
  const out = []
  let cursor = ''
  do {
    const join = path.includes('?') ? '&' : '?'
    const page = await get(`${path}${join}limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
    out.push(...page.data)
    cursor = page.next_cursor
  } while (cursor && out.length < most)
  return out
}

// The server's drawing of a code, as an address that an image takes.
export async function drawing(path) {
  const text = await get(path, { accept: 'image/svg+xml' })
  return `data:image/svg+xml,${encodeURIComponent(text)}`
}
