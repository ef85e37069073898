// A webhook receiver for scripts/quickstart: receiver.mjs REQUESTS SECRETS
//
// Verifies every request with the secrets of the file SECRETS (one a line, read each time) and
// appends it to REQUESTS as one line of JSON.
import { appendFileSync, readFileSync } from 'node:fs'
import { Receiver } from '../../tests/e2e/lib/receiver.mjs'

const [requests, secrets] = process.argv.slice(2)
const receiver = new Receiver()
Object.defineProperty(receiver, 'secrets', { get: () => readFileSync(secrets, 'utf8').split('\n').filter(Boolean) })
receiver.answer = ({ id, headers, body, at, signed }) => {
  appendFileSync(requests, JSON.stringify({ id, at: new Date(at).toISOString(), signed, headers, body }) + '\n')
  receiver.requests.length = 0
  return signed ? 200 : 401
}
await receiver.listen()
process.stdout.write(`receiver listening on ${receiver.url}\n`)
process.on('SIGTERM', () => process.exit(0))
