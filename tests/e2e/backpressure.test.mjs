// An endpoint that accepts nothing: what the organization owes it stops growing, WhatsApp keeps the rest, nothing is
// lost, and the order of the chat holds when the endpoint comes back.
import test from 'node:test'
import assert from 'node:assert/strict'
import { eventually } from './lib/programs.mjs'
import { stage } from './lib/stage.mjs'

const limit = 20
const s = stage('backpressure', {
  extra: {
    limits: { undelivered_events: limit, token_per_minute: 1000000, organization_per_minute: 1000000, address_per_minute: 1000000 },
    webhook: { allow_private_targets: ['127.0.0.0/8'], schedule: ['0s', ...Array(60).fill('1s')] }
  }
})
const texts = (from, count) => Array.from({ length: count }, (_, i) => `m${from + i}`)
const owed = async () => (await s.log()).events.filter(e => e.type === 'message').length

test('a full outbox leaves messages with WhatsApp and says so', async () => {
  const ana = await s.sandbox.account('Ana')
  s.receiver.answer = () => 503
  for (const text of texts(0, 3 * limit)) await s.sandbox.send(ana.pn, s.number, text)
  const held = await s.bridge.until(s.session.id, 'DEGRADED')
  assert.equal(held.reason.code, 'outbox_full')
  assert.match(held.reason.next, /endpoint/)
  const before = await owed()
  assert.ok(before <= limit + 2, `${before} messages taken over a limit of ${limit}`)
  // Sending goes on meanwhile.
  const sent = await s.send(ana.pn, 'we are here')
  await s.reached(sent.id, 'sent')

  s.receiver.answer = () => 200
  const all = texts(0, 3 * limit)
  await eventually('every message has arrived', () => s.texts('m').length === all.length, 60000)
  assert.deepEqual(s.texts('m'), all)
  await s.working()
})

test('the count is right again after a kill', async () => {
  const ben = await s.sandbox.account('Ben')
  s.receiver.answer = () => 503
  for (const text of texts(100, 2 * limit)) await s.sandbox.send(ben.pn, s.number, text)
  await s.bridge.until(s.session.id, 'DEGRADED')
  await s.bridge.kill()
  await s.bridge.start()
  const again = await eventually('held back again', async () => {
    const now = await s.bridge.status(s.session.id)
    return now.reason?.code === 'outbox_full' && now
  })
  assert.equal(again.status, 'DEGRADED')
  s.receiver.answer = () => 200
  const all = texts(100, 2 * limit)
  await eventually('every message has arrived', () => s.texts('m1').filter(t => all.includes(t)).length === all.length)
  assert.deepEqual(s.texts('m1').filter(t => all.includes(t)), all)
  await s.working()
})

test('an endpoint that is deleted owes nothing any more', async () => {
  const cleo = await s.sandbox.account('Cleo')
  s.receiver.answer = () => 503
  for (const text of texts(200, 2 * limit)) await s.sandbox.send(cleo.pn, s.number, text)
  await s.bridge.until(s.session.id, 'DEGRADED')
  await s.bridge.must('DELETE', `/v1/webhooks/${s.receiver.endpoint.id}`)
  await s.working()
  const all = texts(200, 2 * limit)
  const logged = async () => (await s.log()).events.filter(e => e.type === 'message' && all.includes(e.data.text?.body)).map(e => e.data.text.body)
  await eventually('the log has every message', async () => (await logged()).length === all.length)
  assert.deepEqual(await logged(), all)
})
