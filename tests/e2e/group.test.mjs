// A group of three kinds of member: the bridge, a client that is not ours, and a phone of the sandbox.
import test from 'node:test'
import assert from 'node:assert/strict'
import { stage } from './lib/stage.mjs'
import { eventually } from './lib/programs.mjs'

const s = stage('group')
let ana, phone, group

const onPhone = text => eventually(`"${text}" on the phone`, async () => {
  const { messages } = await s.sandbox.inbox(phone.pn)
  return messages.find(one => one.text === text)
}, 20000)

test('a member writes into the group and the bridge reports it', async () => {
  ana = await s.contact('Ana')
  phone = await s.sandbox.account('Paula')
  const made = await s.sandbox.must('POST', '/groups', { creator: phone.pn, subject: 'Three of us', participants: [s.number, ana.pn] })
  group = made.id
  const sent = await ana.sendText(group, 'Hello everybody')
  const event = await s.receiver.text('Hello everybody')
  assert.deepEqual(event.data.chat, { id: group, kind: 'group' })
  assert.equal(event.data.sender.pn, ana.pn)
  assert.equal(event.data.sender.lid, ana.lid)
  assert.equal(event.data.message_id, sent.key.id)
  assert.equal(event.data.from_me, false)
  await onPhone('Hello everybody')
})

test('the bridge writes into the group and everybody reads it', async () => {
  const sent = await s.send(group, 'Hello Ana, hello Paula')
  const got = await ana.received('Hello Ana, hello Paula')
  assert.equal(got.key.remoteJid, group)
  assert.equal(got.key.id, sent.message_id)
  const inbox = await onPhone('Hello Ana, hello Paula')
  assert.equal(inbox.chat, group)
  assert.equal(inbox.id, sent.message_id)
  await s.reached(sent.id, 'delivered')
  await ana.read(got)
})

test('the phone writes and both linked devices read it', async () => {
  await s.sandbox.send(phone.pn, group, 'Paula here')
  const event = await s.receiver.text('Paula here')
  assert.equal(event.data.sender.pn, phone.pn)
  assert.equal(event.data.sender.push_name, 'Paula')
  await ana.received('Paula here')
})

test('many messages both ways stay in order', async () => {
  for (let i = 1; i <= 20; ++i) {
    await ana.sendText(group, `from Ana ${i}`)
    await s.send(group, `from the bridge ${i}`)
  }
  await s.receiver.text('from Ana 20')
  await ana.received('from the bridge 20')
  await onPhone('from the bridge 20')
  const wanted = prefix => Array.from({ length: 20 }, (_, i) => `${prefix} ${i + 1}`)
  assert.deepEqual(s.texts('from Ana'), wanted('from Ana'))
  assert.deepEqual(ana.texts().map(one => one.text).filter(text => text.startsWith('from the bridge')), wanted('from the bridge'))
})

test('the group survives a restart of the bridge', async () => {
  await s.restart({ signal: 'SIGKILL' })
  await ana.sendText(group, 'still there?')
  await s.receiver.text('still there?')
  await s.send(group, 'still here')
  await ana.received('still here')
  await onPhone('still here')
})
