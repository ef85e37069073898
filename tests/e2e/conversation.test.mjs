// A conversation between the bridge and a client that is not ours, with everything that happens to conversations.
import test from 'node:test'
import assert from 'node:assert/strict'
import { stage } from './lib/stage.mjs'
import { eventually } from './lib/programs.mjs'

const s = stage('conversation')
const numbers = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}${String(i + 1).padStart(4, '0')}`)
let ana

test('a contact writes first and the bridge answers', async () => {
  ana = await s.contact('Ana')
  const hello = await ana.sendText(s.jid, 'Good morning')
  const event = await s.receiver.text('Good morning')
  assert.equal(event.type, 'message')
  assert.equal(event.session_id, s.session.id)
  assert.equal(event.organization_id, s.bridge.org)
  assert.equal(event.data.message_id, hello.key.id)
  assert.equal(event.data.kind, 'text')
  assert.equal(event.data.from_me, false)
  assert.deepEqual(event.data.chat, { id: ana.jid, kind: 'direct' })
  assert.deepEqual(event.data.sender, { pn: ana.pn, lid: ana.lid, push_name: 'Ana' })
  await ana.receipt(hello.key.id, 3)

  const answer = await s.send(ana.pn, 'Good morning, Ana')
  assert.equal(answer.status, 'pending')
  const got = await ana.received('Good morning, Ana')
  assert.equal(got.key.id, answer.message_id)
  assert.ok([got.key.remoteJid, got.key.remoteJidAlt].includes(s.jid), JSON.stringify(got.key))
  await s.reached(answer.id, 'delivered')
  await ana.read(got)
  const read = await s.reached(answer.id, 'read')
  assert.equal(read.chat, ana.jid)
  for (const word of ['sent', 'delivered', 'read']) {
    await s.receiver.event(`ack ${word}`, e => e.type === 'message.ack' && e.data.message_id === answer.message_id && e.data.status === word)
  }
  assert.equal(s.receiver.events.filter(e => e.data.message_id === hello.key.id).length, 1)
})

test('the bridge writes first to somebody it has never met', async () => {
  const ben = await s.contact('Ben')
  const first = await s.send(`+${ben.pn}`, 'Hello Ben, this is the bridge')
  const got = await ben.received('Hello Ben, this is the bridge')
  assert.equal(got.key.id, first.message_id)
  await s.reached(first.id, 'delivered')
  await ben.sendText(s.jid, 'Hello bridge')
  await s.receiver.text('Hello bridge')
  await ben.close()
})

test('sixty rounds of question and answer', async () => {
  for (let i = 1; i <= 60; ++i) {
    await ana.sendText(s.jid, `question ${i}`)
    await s.receiver.text(`question ${i}`)
    await s.send(ana.pn, `answer ${i}`)
    await ana.received(`answer ${i}`)
  }
  assert.equal(s.texts('question ').length, 60)
})

test('five hundred in one direction arrive in order, each once', async () => {
  const wanted = numbers('flood ', 500)
  for (const text of wanted) await ana.sendText(s.jid, text)
  await s.receiver.text(wanted.at(-1))
  assert.deepEqual(s.texts('flood '), wanted)
})

test('a hundred from the bridge arrive in order, each once', async () => {
  const wanted = numbers('burst ', 100)
  for (const text of wanted) await s.send(ana.pn, text)
  await ana.received(wanted.at(-1))
  assert.deepEqual(ana.texts().map(one => one.text).filter(text => text.startsWith('burst ')), wanted)
})

test('the contact restarts between messages', async () => {
  await ana.restart()
  await ana.sendText(s.jid, 'back again')
  await s.receiver.text('back again')
  await ana.close()
  const waiting = await s.send(ana.pn, 'while you were away')
  await s.reached(waiting.id, 'sent')
  await ana.start()
  await ana.received('while you were away')
  await s.reached(waiting.id, 'delivered')
})

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`the bridge ends by ${signal} between messages`, async () => {
    // Three starts of the whole process in two seconds: what the sandbox minds here is the test, not the bridge.
    s.allow('A8')
    for (let round = 1; round <= 3; ++round) {
      await ana.sendText(s.jid, `${signal} before ${round}`)
      await s.receiver.text(`${signal} before ${round}`)
      await s.restart({ signal })
      await ana.sendText(s.jid, `${signal} after ${round}`)
      await s.receiver.text(`${signal} after ${round}`)
      await s.send(ana.pn, `${signal} answer ${round}`)
      await ana.received(`${signal} answer ${round}`)
    }
    assert.equal(s.texts(`${signal} `).length, 6)
  })
}

test('fifty written while the bridge is down arrive in order after its start', async () => {
  const wanted = numbers('queued ', 50)
  await s.bridge.stop()
  for (const text of wanted) await ana.sendText(s.jid, text)
  await s.bridge.start()
  await s.receiver.text(wanted.at(-1))
  assert.deepEqual(s.texts('queued '), wanted)
  await s.working()
})

test('what WhatsApp delivers again makes no second event', async () => {
  const wanted = numbers('again ', 10)
  for (const text of wanted) await ana.sendText(s.jid, text)
  await s.receiver.text(wanted.at(-1))
  const before = await s.log()
  const { redelivered } = await s.sandbox.must('POST', '/faults', { account: s.number, device: 1, redeliver: 10 })
  assert.deepEqual(redelivered, [10])
  await ana.sendText(s.jid, 'after the repetition')
  await s.receiver.text('after the repetition')
  const { events } = await s.log(before.cursor)
  assert.deepEqual(events.filter(e => e.type === 'message').map(e => e.data.text?.body), ['after the repetition'])
  assert.deepEqual(s.texts('again '), wanted)
})

test('the connection is cut and nothing is lost', async () => {
  const wanted = numbers('cut ', 60)
  for (const [i, text] of wanted.entries()) {
    if (i % 20 === 10) await s.sandbox.must('POST', '/faults', { account: s.number, device: 1, cut: true })
    await ana.sendText(s.jid, text)
  }
  await s.receiver.text(wanted.at(-1))
  await eventually('all sixty', () => s.texts('cut ').length >= 60, 20000)
  assert.deepEqual(s.texts('cut '), wanted)
  await s.working()
})

test('the log counts without gaps and never uses an id twice', async () => {
  const { events } = await s.log()
  assert.deepEqual(events.map(e => e.seq), events.map((_, i) => i + 1))
  assert.equal(new Set(events.map(e => e.id)).size, events.length)
  const texts = events.filter(e => e.type === 'message' && !e.data.from_me)
  assert.equal(new Set(texts.map(e => e.data.message_id)).size, texts.length)
  // What the receiver has is what the log has, byte for byte.
  for (const event of events.slice(-50)) {
    await s.receiver.event(event.id, e => e.id === event.id)
    assert.deepEqual(JSON.parse(s.receiver.seen.get(event.id)), event)
  }
})
