// A tenant's webhook server: verifies signatures, remembers every request, and can misbehave.
import { createServer } from 'node:http'
import { createHmac, timingSafeEqual } from 'node:crypto'

export class Receiver {
  constructor() {
    this.requests = []      // every attempt
    this.events = []        // first arrival of each id, in order
    this.seen = new Map()   // id -> body
    this.waiters = []
    this.secrets = []
    this.problems = []
    this.answer = () => 200
    this.server = createServer((req, res) => this.take(req, res))
    this.server.keepAliveTimeout = 60000
  }
  async listen() {
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.server.address().port}/hook`
    return this
  }
  take(req, res) {
    const parts = []
    req.on('data', part => parts.push(part))
    req.on('end', () => {
      const body = Buffer.concat(parts)
      const id = req.headers['webhook-id']
      const entry = { id, headers: req.headers, body: body.toString('utf8'), at: Date.now() }
      entry.signed = this.verify(req.headers, body)
      if (!entry.signed) this.problems.push(`signature of ${id} does not verify`)
      this.requests.push(entry)
      if (this.seen.has(id)) {
        if (this.seen.get(id) !== entry.body) this.problems.push(`body of ${id} changed between attempts`)
      }
      const status = this.answer(entry)
      if (status === null) return void req.socket.destroy()
      if (status < 300 && !this.seen.has(id)) {
        this.seen.set(id, entry.body)
        const event = JSON.parse(entry.body)
        if (event.id !== id) this.problems.push(`webhook-id ${id} is not the event's id ${event.id}`)
        this.events.push(event)
      }
      res.statusCode = status
      res.end()
      this.waiters = this.waiters.filter(waiter => !waiter())
    })
    req.on('error', () => {})
  }
  verify(headers, body) {
    const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body])
    return this.secrets.some(secret => {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
      const expected = createHmac('sha256', key).update(signed).digest()
      return String(headers['webhook-signature']).split(' ').some(one => {
        const given = Buffer.from(one.replace(/^v1,/, ''), 'base64')
        return one.startsWith('v1,') && given.length === expected.length && timingSafeEqual(given, expected)
      })
    })
  }
  // The first event that satisfies `test`, now or later.
  event(what, test, ms = 60000) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.events.find(test)
        if (found) { clearTimeout(timer); resolve(found) }
        return Boolean(found)
      }
      const timer = setTimeout(() => reject(new Error(`no webhook within ${ms} ms: ${what}; got ${this.events.map(e => e.type).slice(-12)}`)), ms)
      if (!look()) this.waiters.push(look)
    })
  }
  text(body, ms) {
    return this.event(`message "${body}"`, e => e.type === 'message' && e.data.text?.body === body, ms)
  }
  async close() {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }
}

// Judges nothing and keeps every request as it came. `answer` says with which status, or { status, headers, body }; null
// hangs up.
export async function plainReceiver(answer = () => 200, make = createServer) {
  const requests = []
  const server = make((req, res) => {
    const parts = []
    req.on('data', part => parts.push(part))
    req.on('end', () => {
      const one = { id: req.headers['webhook-id'], headers: req.headers, raw: req.rawHeaders, url: req.url, body: Buffer.concat(parts).toString('utf8'), at: Date.now() }
      requests.push(one)
      const told = answer(one, requests.length)
      if (told === null) return void req.socket.destroy()
      const { status, headers = {}, body = 'thank you' } = typeof told === 'number' ? { status: told } : told
      res.writeHead(status, headers)
      res.end(body)
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => { server.closeAllConnections(); return new Promise(resolve => server.close(resolve)) }
  return { requests, port: server.address().port, url: `http://127.0.0.1:${server.address().port}/hook`, close }
}
