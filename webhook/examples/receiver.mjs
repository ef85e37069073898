#!/usr/bin/env node
// A webhook receiver to start from: verifies the signature, refuses what is old, keeps each event once.
//
//   WEBHOOK_SECRETS="whsec_… whsec_…" node receiver.mjs [--listen 127.0.0.1:9000] [--inbox inbox.ndjson]
//
// Node 18 or later, no dependencies. The inbox is a file of one line per event, written and synced before
// the answer: a crash at any instant loses no event that was answered with 204, and a repeat of the
// bridge (it repeats until it hears 2xx) finds its id there. Your program reads the inbox at its own pace.
// One process per inbox; with several use a table whose key is the event's id, as receiver.py does.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { open, readFile, truncate } from 'node:fs/promises'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const bodyLimit = 1 << 20 // bytes; the bridge sends less
const tolerance = 300 // seconds between the signature and now, either way

// Standard Webhooks 1.0: "v1," and the base64 of HMAC-SHA256(secret, "id.timestamp.body"); several are
// separated by spaces, one per live secret. `secrets` may hold two as well, around a rotation.
// Answers why it does not verify, or nothing.
export function refusal(secrets, headers, body, now = Date.now() / 1000) {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const signatures = headers['webhook-signature']
  if (!id || !timestamp || !signatures) return 'a header is missing'
  if (!/^\d{1,12}$/.test(timestamp)) return 'the timestamp is no number'
  if (Math.abs(now - Number(timestamp)) > tolerance) return 'the timestamp is too far from now'
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
  let good = false
  for (const secret of secrets) {
    const expected = createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).update(signed).digest()
    for (const one of signatures.split(' ')) {
      if (!one.startsWith('v1,')) continue
      const given = Buffer.from(one.slice(3), 'base64')
      // In the same time wherever they differ.
      if (given.length === expected.length && timingSafeEqual(given, expected)) good = true
    }
  }
  return good ? undefined : 'no signature fits'
}

// The events that arrived, each once.
export class Inbox {
  static async open(path) {
    const inbox = new Inbox()
    const text = await readFile(path, 'utf8').catch(error => {
      if (error.code !== 'ENOENT') throw error
      return ''
    })
    // A crash may leave half a line, which was never answered: the bridge sends it again.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole !== text) await truncate(path, Buffer.byteLength(whole))
    inbox.seen = new Set(whole.split('\n').filter(Boolean).map(line => JSON.parse(line).id))
    inbox.file = await open(path, 'a', 0o600)
    inbox.last = Promise.resolve()
    return inbox
  }
  // True when the event is new. One after the other, so that two deliveries at once cannot both be.
  add(id, event) {
    const turn = this.last.then(async () => {
      if (this.seen.has(id)) return false
      await this.file.appendFile(JSON.stringify({ id, received_at: new Date().toISOString(), event }) + '\n')
      await this.file.datasync()
      this.seen.add(id)
      return true
    })
    this.last = turn.catch(() => {})
    return turn
  }
}

// The whole body, or nothing when it is too long.
async function bodyOf(request) {
  const parts = []
  let size = 0
  for await (const part of request) {
    size += part.length
    if (size > 8 * bodyLimit) return undefined
    if (size <= bodyLimit) parts.push(part) // hears out what is a little too long, so that the answer arrives
  }
  return size > bodyLimit ? undefined : Buffer.concat(parts)
}

export function receiver({ secrets, inbox, arrived = () => {} }) {
  const server = createServer(async (request, response) => {
    const answer = (status, words = '') => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(words)
    try {
      if (request.method !== 'POST') return answer(405)
      const body = await bodyOf(request)
      if (!body) return answer(413)
      const why = refusal(secrets, request.headers, body)
      if (why) return answer(401, why)
      const event = JSON.parse(body)
      const fresh = await inbox.add(request.headers['webhook-id'], event)
      if (fresh) arrived(event)
      answer(204)
    } catch (error) {
      // Not kept: the bridge will send it again.
      process.stderr.write(`receiver: ${error.message}\n`)
      answer(500)
    }
  })
  server.requestTimeout = 30000
  return server
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf(name)
    return at < 0 ? otherwise : process.argv[at + 1]
  }
  const secrets = (process.env.WEBHOOK_SECRETS ?? '').split(/\s+/).filter(Boolean)
  if (secrets.length === 0 || secrets.some(one => !/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(one))) {
    process.stderr.write('receiver: WEBHOOK_SECRETS must hold one or two secrets, whsec_… each\n')
    process.exit(2)
  }
  const [, host, port] = /^(.*):(\d+)$/.exec(option('--listen', '127.0.0.1:9000')) ?? []
  const inbox = await Inbox.open(option('--inbox', 'inbox.ndjson'))
  const server = receiver({ secrets, inbox, arrived: event => process.stdout.write(`${event.id} ${event.type}\n`) })
  server.listen(Number(port), host, () => process.stdout.write(`receiver listening on http://${host}:${server.address().port}\n`))
  process.once('SIGTERM', () => server.close(() => process.exit(0)))
}
