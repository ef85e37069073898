// An endpoint that accepts nothing: what the organization owes it stops growing, WhatsApp keeps the rest, nothing is
// lost, and the order of the chat holds when the endpoint comes back.
import test from 'node:test'
import assert from 'node:assert/strict'
import { eventually } from './lib/programs.mjs'
import { stage } from './lib/stage.mjs'

const limit = 60
const s = stage('backpressure', {
  extra: {
    limits: { undelivered_events: limit, token_per_minute: 1000000, organization_per_minute: 1000000, address_per_minute: 1000000 },
    webhook: { allow_private_targets: ['127.0.0.0/8'], schedule: ['0s', ...Array(60).fill('1s')] }
  }
})
const texts = (word, count) => Array.from({ length: count }, (_, i) => `${word}${i}`)
const outbox = async () => (await s.log()).events.filter(e => e.type.startsWith('outbox.'))
// When all is well again: high and recovered, in turns.
const settled = async () => {
  const told = await eventually('the last word is recovered', async () => {
    const events = await outbox()
    return events.length > 0 && events.at(-1).type === 'outbox.recovered' && events
  })
  assert.deepEqual(told.map(event => event.type), told.map((_, i) => i % 2 === 0 ? 'outbox.high_watermark' : 'outbox.recovered'))
  return told
}
const taken = async word => (await s.log()).events.filter(e => e.type === 'message' && e.data.text?.body.startsWith(word)).map(e => e.data.text.body)
async function write(name, word, count) {
  const contact = await s.sandbox.account(name)
  for (const text of texts(word, count)) await s.sandbox.send(contact.pn, s.number, text)
  return contact
}
const allArrive = async (word, count) => {
  await eventually(`all of ${word} has arrived`, () => s.texts(word).length === count)
  assert.deepEqual(s.texts(word), texts(word, count))
}

test('a full outbox leaves messages with WhatsApp and says so', async () => {
  s.receiver.answer = () => 500
  const ana = await write('Ana', 'a', 4 * limit)
  const held = await s.bridge.until(s.session.id, 'DEGRADED')
  assert.equal(held.reason.code, 'outbox_full')
  assert.match(held.reason.next, /endpoint/)
  // What stood decided but not yet written when the limit was reached: at most 64 (session/overlay).
  const before = await taken('a')
  assert.ok(before.length <= limit + 64, `${before.length} messages taken over a limit of ${limit}`)
  // Sending goes on meanwhile.
  const sent = await s.send(ana.pn, 'we are here')
  await s.reached(sent.id, 'sent')
  s.receiver.answer = () => 200
  await allArrive('a', 4 * limit)
  await s.working()
  // Told at every crossing, up and down in turns, in the log and to the endpoint.
  const told = await settled()
  for (const [i, event] of told.entries()) {
    assert.equal(event.session_id, null)
    assert.equal(event.seq, i + 1)
    assert.equal(event.data.limit, limit)
    assert.ok(event.type === 'outbox.recovered' || event.data.owed >= 0.7 * limit, JSON.stringify(event.data))
    assert.equal(event.data.since, i % 2 === 1 ? told[i - 1].occurred_at : undefined)
    await s.receiver.event(event.type, one => one.id === event.id)
  }
  const [high, low] = told
  // A reader of the log resumes behind such an event.
  const rest = await s.bridge.must('GET', `/v1/events?after=${high.organization_id}:1&limit=1000`)
  assert.equal(rest.data.some(event => event.id === high.id), false)
  assert.ok(rest.data.some(event => event.id === low.id))
  assert.ok(s.bridge.program.lines.some(line => line.includes('outbox.almost_full')))
})

test('the count is right again after a kill', async () => {
  s.receiver.answer = () => 500
  await write('Ben', 'b', 4 * limit)
  await s.bridge.until(s.session.id, 'DEGRADED')
  const before = await eventually('it is told', async () => {
    const events = await outbox()
    return events.at(-1)?.type === 'outbox.high_watermark' && events
  })
  await s.bridge.kill()
  await s.bridge.start()
  const again = await eventually('held back again', async () => {
    const now = await s.bridge.status(s.session.id)
    return now.reason?.code === 'outbox_full' && now
  })
  assert.equal(again.status, 'DEGRADED')
  // High before the kill and after it: that is one crossing.
  assert.equal((await outbox()).length, before.length)
  s.receiver.answer = () => 200
  await allArrive('b', 4 * limit)
  await s.working()
  assert.ok((await settled()).length > before.length)
})

test('an endpoint that is deleted owes nothing any more', async () => {
  s.receiver.answer = () => 500
  await write('Cleo', 'c', 4 * limit)
  await s.bridge.until(s.session.id, 'DEGRADED')
  await s.bridge.must('DELETE', `/v1/webhooks/${s.receiver.endpoint.id}`)
  await s.working()
  await eventually('the log has every message', async () => (await taken('c')).length === 4 * limit)
  assert.deepEqual(await taken('c'), texts('c', 4 * limit))
})
