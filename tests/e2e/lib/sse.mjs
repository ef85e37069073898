// Reads a stream of server-sent events one by one.
export async function follow(url, token, { ms = 30000 } = {}) {
  const abort = new AbortController()
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' }, signal: abort.signal })
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  const take = () => {
    for (;;) {
      const end = rest.indexOf('\n\n')
      if (end < 0) return undefined
      const block = rest.slice(0, end)
      rest = rest.slice(end + 2)
      const out = {}
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':')
        if (colon <= 0) continue // a comment keeps the line open
        const name = line.slice(0, colon)
        const value = line.slice(colon + 1).replace(/^ /, '')
        out[name] = name === 'data' && out.data ? `${out.data}\n${value}` : value
      }
      if (out.data === undefined) continue
      out.data = JSON.parse(out.data)
      return out
    }
  }
  return {
    headers: answer.headers,
    async next() {
      const timer = setTimeout(() => abort.abort(new Error(`no event within ${ms} ms`)), ms)
      try {
        for (;;) {
          const event = take()
          if (event) return event
          const { done, value } = await reader.read()
          if (done) return undefined
          rest += value.replaceAll('\r', '')
        }
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => abort.abort()
  }
}
