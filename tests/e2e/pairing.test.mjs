// How a phone gets linked, and how the link ends.
import test from 'node:test'
import assert from 'node:assert/strict'
import { stage } from './lib/stage.mjs'
import { eventually } from './lib/programs.mjs'
import { follow } from './lib/sse.mjs'

const s = stage('pairing', { session: false })

const create = async name => {
  const session = await s.bridge.must('POST', '/v1/sessions', { name })
  await s.bridge.must('POST', `/v1/sessions/${session.id}/start`)
  return session.id
}
const act = (id, verb) => s.bridge.must('POST', `/v1/sessions/${id}/${verb}`)
const devices = async pn => {
  const { accounts } = await s.sandbox.must('GET', '/accounts')
  return accounts.find(one => one.pn === pn)?.devices ?? []
}

test('the QR code comes in four forms', async () => {
  const id = await create('forms')
  const json = await s.bridge.qr(id)
  assert.match(json.code, /^(https:\/\/wa\.me\/settings\/linked_devices#)?2@[^,]+,[^,]+,[^,]+,[^,]+/)
  assert.ok(Date.parse(json.expires_at) > 0)
  const as = accept => s.bridge.call('GET', `/v1/sessions/${id}/qr`, undefined, undefined, { accept })
  const png = await as('image/png')
  assert.equal(png.status, 200)
  assert.equal(png.headers['content-type'], 'image/png')
  assert.equal(png.bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n')
  assert.equal(png.bytes.readUInt32BE(16), png.bytes.readUInt32BE(20), 'square')
  const svg = await as('image/svg+xml')
  assert.equal(svg.status, 200)
  assert.match(svg.text, /<svg[\s>]/)
  assert.ok(svg.text.trimEnd().endsWith('</svg>'))
  const text = await as('text/plain')
  assert.equal(text.status, 200)
  assert.match(text.headers['content-type'], /^text\/plain/)
  assert.match(text.text, /[█▀▄]/)
  assert.ok(text.text.split('\n').length > 20)
  assert.match((await as('application/json')).json.code, /2@/)
  assert.equal((await as('application/xml')).status, 406)

  assert.equal((await s.sandbox.scan(json.code)).status, 200)
  const working = await s.bridge.until(id, 'WORKING')
  assert.match(working.me.pn, /^\d+$/)
  assert.match(working.me.lid, /^\d+$/)
  assert.equal((await as('application/json')).status, 409)
  assert.equal((await as('application/json')).json.code, 'not_pairing')
  assert.equal((await s.sandbox.scan(json.code)).status, 404, 'a code links once')
})

test('the stream shows each code and then the link', async () => {
  const id = await create('stream')
  const events = await follow(`${s.bridge.base}/v1/sessions/${id}/qr/stream`, s.bridge.token)
  const first = await events.next()
  assert.equal(first.event, 'code')
  assert.match(first.data.code, /2@/)
  assert.ok(first.data.expires_at)
  assert.equal((await s.sandbox.scan(first.data.code)).status, 200)
  let last
  do last = await events.next()
  while (last.event === 'code')
  assert.equal(last.event, 'paired')
  assert.equal(await events.next(), undefined, 'the stream ends')
})

test('a pairing code that the phone enters', async () => {
  const phone = await s.sandbox.account('Types it')
  const id = await create('code')
  await s.bridge.qr(id)
  const { code, expires_at } = await s.bridge.must('POST', `/v1/sessions/${id}/pairing-code`, { phone: `+${phone.pn}` })
  assert.match(code.replace('-', ''), /^[1-9A-HJ-NP-TV-Z]{8}$/)
  assert.ok(Date.parse(expires_at) > 0)
  const entered = await s.sandbox.admin('POST', '/mock-phone/enter-code', { phone: phone.pn, code: code.replace('-', '') })
  assert.equal(entered.status, 200, entered.text)
  const working = await s.bridge.until(id, 'WORKING')
  assert.equal(working.me.pn, phone.pn)
  assert.deepEqual((await devices(phone.pn)).map(one => one.device).filter(one => one !== 0), [1])
})

test('a wrong code links nothing, and the right one still can by QR', async () => {
  const phone = await s.sandbox.account('Types badly')
  const id = await create('wrong code')
  const shown = await s.bridge.qr(id)
  const { code } = await s.bridge.must('POST', `/v1/sessions/${id}/pairing-code`, { phone: phone.pn })
  const wrong = (code.startsWith('A') ? 'B' : 'A') + code.replace('-', '').slice(1)
  const finishes = async () => {
    const { stanzas } = await s.sandbox.must('GET', '/stanzas?limit=10000')
    return stanzas.filter(one => one.direction === 'in' && one.stanza.includes('companion_finish')).length
  }
  const before = await finishes()
  // The phone cannot open what the wrong code has closed.
  s.allow('L4')
  await s.sandbox.admin('POST', '/mock-phone/enter-code', { phone: phone.pn, code: wrong })
  await eventually('the bridge has tried to finish', async () => await finishes() > before, 10000)
  const status = await s.bridge.status(id)
  assert.notEqual(status.status, 'WORKING')
  assert.equal(status.me ?? null, null)
  assert.deepEqual((await devices(phone.pn)).filter(one => one.device !== 0), [])
  // Also the code that was on show before still links.
  assert.equal((await s.sandbox.scan(shown.code)).status, 200)
  await s.bridge.until(id, 'WORKING')
})

test('logout from the API unlinks at WhatsApp', async () => {
  const session = await s.bridge.pair(s.sandbox, 'logout')
  const pn = session.me.pn
  assert.equal((await devices(pn)).filter(one => one.device !== 0).length, 1)
  await act(session.id, 'logout')
  const stopped = await s.bridge.until(session.id, 'STOPPED')
  assert.equal(stopped.reason.code, 'logged_out')
  await eventually('the device is gone', async () => (await devices(pn)).filter(one => one.device !== 0).length === 0, 10000)
  await act(session.id, 'logout')
  // It can be linked again.
  await act(session.id, 'start')
  const qr = await s.bridge.qr(session.id)
  assert.equal((await s.sandbox.scan(qr.code)).status, 200)
  await s.bridge.until(session.id, 'WORKING')
})

test('the phone removes the device: the session fails and says why', async () => {
  const session = await s.bridge.pair(s.sandbox, 'removed')
  await s.sandbox.must('DELETE', `/accounts/${session.me.pn}/devices/1`)
  const failed = await s.bridge.until(session.id, 'FAILED')
  assert.equal(failed.reason.code, 'logged_out')
  assert.match(failed.reason.message, /removed/)
  assert.match(failed.reason.next, /link the phone again/)
  await s.receiver.event('session.status FAILED', e => e.type === 'session.status' && e.session_id === session.id && e.data.status === 'FAILED')
  await act(session.id, 'start')
  const qr = await s.bridge.qr(session.id)
  assert.equal((await s.sandbox.scan(qr.code)).status, 200)
  await s.bridge.until(session.id, 'WORKING')
})

test('start, stop and restart may be said at any time and twice', async () => {
  const session = await s.bridge.pair(s.sandbox, 'again')
  const id = session.id
  const linked = session.me.pn
  await act(id, 'start')
  assert.equal((await s.bridge.status(id)).status, 'WORKING')
  await act(id, 'stop')
  await s.bridge.until(id, 'STOPPED')
  await act(id, 'stop')
  assert.equal((await s.bridge.status(id)).status, 'STOPPED')
  await act(id, 'start')
  await act(id, 'start')
  assert.equal((await s.bridge.until(id, 'WORKING')).me.pn, linked)
  await act(id, 'restart')
  await s.bridge.until(id, 'WORKING')
  await act(id, 'stop')
  await act(id, 'restart')
  assert.equal((await s.bridge.until(id, 'WORKING')).me.pn, linked)
  for (const verb of ['stop', 'start', 'restart', 'stop', 'start', 'stop', 'start']) await act(id, verb)
  await s.bridge.until(id, 'WORKING')
  assert.deepEqual((await devices(linked)).map(one => one.device).filter(one => one !== 0), [1])
  // A fresh, never linked session knows these words as well.
  const fresh = await s.bridge.must('POST', '/v1/sessions', { name: 'fresh' })
  for (const verb of ['stop', 'logout', 'restart', 'stop', 'stop']) await act(fresh.id, verb)
  assert.equal((await s.bridge.status(fresh.id)).status, 'STOPPED')
})

test('a restart while a QR code is on show shows a new one', async () => {
  const session = await s.bridge.must('POST', '/v1/sessions', { name: 'restarted before it is paired' })
  await s.bridge.must('POST', `/v1/sessions/${session.id}/start`)
  const first = await s.bridge.qr(session.id)
  await s.bridge.must('POST', `/v1/sessions/${session.id}/restart`)
  const second = await eventually('another code', async () => {
    const answer = await s.bridge.call('GET', `/v1/sessions/${session.id}/qr`, undefined, s.bridge.token, { accept: 'application/json' })
    return answer.status === 200 && answer.json.code !== first.code && answer.json
  })
  assert.ok(second.code)
  assert.equal((await s.bridge.status(session.id)).status, 'SCAN_QR_CODE')
  await s.bridge.must('POST', `/v1/sessions/${session.id}/stop`)
})
