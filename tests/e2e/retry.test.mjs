// Sessions that have come apart, and how they heal: the side that cannot read asks, the other encrypts again.
import test from 'node:test'
import assert from 'node:assert/strict'
import { breakSending } from './lib/contact.mjs'
import { stage } from './lib/stage.mjs'

const s = stage('retry')
let ana

const talk = async word => {
  await ana.sendText(s.jid, `${word} question`)
  await s.receiver.text(`${word} question`)
  await s.send(ana.pn, `${word} answer`)
  await ana.received(`${word} answer`)
}

test('the contact lost its sessions: the bridge encrypts again', async () => {
  ana = await s.contact('Ana')
  await talk('before')
  await ana.close()
  assert.ok(ana.forget('session') > 0)
  await ana.start()
  const sent = await s.send(ana.pn, 'can you read this?')
  await ana.received('can you read this?')
  await s.reached(sent.id, 'delivered')
  assert.equal(ana.texts().filter(one => one.text === 'can you read this?').length, 1)
  await talk('healed')
})

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`the contact asks again after the bridge was restarted by ${signal}`, async () => {
    await ana.close()
    assert.ok(ana.forget('session') > 0)
    const sent = await s.send(ana.pn, `written before ${signal}`)
    await s.reached(sent.id, 'sent')
    await s.restart({ signal })
    s.allow('A8')
    await ana.start()
    await ana.received(`written before ${signal}`)
    await s.reached(sent.id, 'delivered')
    await talk(`after ${signal}`)
  })
}

test('the bridge cannot read a message: it says so, asks, and reports it once healed', async () => {
  await ana.close()
  assert.ok(breakSending(ana) > 0)
  await ana.start()
  const sent = await ana.sendText(s.jid, 'garbled at first')
  const failed = await s.receiver.event('message.undecryptable', e => e.type === 'message.undecryptable' && e.data.message_id === sent.key.id)
  const healed = await s.receiver.event('message.healed', e => e.type === 'message.healed' && e.data.message_id === sent.key.id)
  assert.equal(healed.data.text.body, 'garbled at first')
  assert.equal(healed.data.chat.id, ana.jid)
  assert.ok(healed.seq > failed.seq)
  assert.notEqual(healed.id, failed.id)
  await talk('mended')
  const { events } = await s.log()
  assert.deepEqual(events.filter(e => e.data.message_id === sent.key.id).map(e => e.type), ['message.undecryptable', 'message.healed'])
})

test('the contact forgets the sender key of a group: the bridge sends it again', async () => {
  const phone = await s.sandbox.account('Paula')
  const { id: group } = await s.sandbox.must('POST', '/groups', { creator: phone.pn, subject: 'Keys', participants: [s.number, ana.pn] })
  await s.send(group, 'first in the group')
  await ana.received('first in the group')
  await ana.close()
  assert.ok(ana.forget('sender-key') > 0)
  await ana.start()
  await s.send(group, 'second in the group')
  await ana.received('second in the group')
})
