// How many messages per second come from virtual phones through a session to a webhook, and how late.
//
//   WAB_BIN_DIR=build/release/bin node tests/bench/inbound_bench.mjs [--sessions 4] [--messages 2000] [--json FILE]
//
// Each session has a contact of its own that says everything at once. The receiver answers 200 and keeps
// nothing but counts; it is the same Node.js process, so that its share is part of the figure.
import { createServer } from 'node:http'
import { Bridge, eventually, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { measure, options, percentile, pool, report, say } from './lib.mjs'

const wish = options({ sessions: 4, messages: 2000, json: '' })
const dir = workDir('bench-inbound')
const total = wish.sessions * wish.messages
const seen = new Set()
const delays = []
let attempts = 0, first = 0, last = 0, outOfOrder = 0
const lastSeq = new Map()
const server = createServer((req, res) => {
  const parts = []
  req.on('data', part => parts.push(part))
  req.on('end', () => {
    res.end()
    const event = JSON.parse(Buffer.concat(parts))
    if (event.type !== 'message') return
    attempts++
    last = performance.now()
    first ||= last
    if (!seen.has(event.id)) {
      seen.add(event.id)
      delays.push(Date.now() - Date.parse(event.occurred_at))
      if ((lastSeq.get(event.session_id) ?? 0) > event.seq) outOfOrder++
      lastSeq.set(event.session_id, event.seq)
    }
  })
})
let sandbox, bridge, good = false
try {
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  sandbox = await startSandbox(dir)
  bridge = await new Bridge(dir, sandbox).start()
  await bridge.bootstrap()
  await bridge.must('POST', '/v1/webhooks', { url: `http://127.0.0.1:${server.address().port}/`, events: ['message'] })
  const pairs = []
  await pool(wish.sessions, 4, async i => {
    const session = await bridge.pair(sandbox, `bench ${i}`)
    pairs.push({ session, contact: await sandbox.account(`Contact ${i}`) })
  })
  say(`${total} messages through ${wish.sessions} sessions`)
  const cpu = measure(bridge.program.child.pid).cpu_seconds
  const start = performance.now()
  await Promise.all(pairs.map(({ session, contact }) => sandbox.must('POST', `/accounts/${contact.pn}/messages`, {
    to: session.me.pn,
    texts: Array.from({ length: wish.messages }, (_, i) => `message ${i}`)
  })))
  await eventually(`${total} messages`, () => seen.size >= total, 600000)
  const seconds = (last - start) / 1000
  const used = measure(bridge.program.child.pid)
  good = report('inbound', {
    sessions: wish.sessions,
    messages: total,
    seconds,
    messages_per_second: total / seconds,
    first_webhook_seconds: (first - start) / 1000,
    p50_ms: percentile(delays, 0.5),
    p99_ms: percentile(delays, 0.99),
    repeated: attempts - seen.size,
    out_of_order: outOfOrder,
    cpu_microseconds_per_message: ((used.cpu_seconds - cpu) * 1e6) / total,
    rss_bytes: used.rss_bytes
  }, { json: wish.json, floors: { out_of_order: 0 } })
} finally {
  await bridge?.stop()
  await sandbox?.program.stop()
  server.close()
  server.closeAllConnections()
  if (!process.env.WAB_KEEP) remove(dir)
}
process.exit(good ? 0 : 1)
