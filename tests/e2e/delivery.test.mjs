// The delivery product with the real programs, judged by the reference library of Standard Webhooks.
import { test, describe } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac, createPublicKey, verify } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { eventually } from './lib/programs.mjs'
import { stage } from './lib/stage.mjs'
import { plainReceiver } from './lib/receiver.mjs'

const s = stage('delivery', { extra: { webhook: { schedule: ['0s', '1s', '1s'] } } })

const hook = (url, wish = {}) => s.bridge.must('POST', '/v1/webhooks', { url, events: ['message'], ...wish })
let ana
async function inbound(text) {
  ana ??= await s.sandbox.account('Ana')
  await s.sandbox.send(ana.pn, s.number, text)
}
const all = async path => (await s.bridge.must('GET', path)).data

describe('delivery', () => {
  test('a Standard Webhooks library verifies what arrives, before and after a rotation', async () => {
    const receiver = await plainReceiver()
    const made = await hook(receiver.url)
    await inbound('signed')
    await eventually('it arrives', () => receiver.requests.length === 1)
    const event = new Webhook(made.secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    assert.equal(event.data.text.body, 'signed')
    const rotated = await s.bridge.must('POST', `/v1/webhooks/${made.id}/rotate-secret`, {})
    assert.notEqual(rotated.secret, made.secret)
    await inbound('signed twice')
    await eventually('it arrives', () => receiver.requests.length === 2)
    const { body, headers } = receiver.requests[1]
    assert.equal(headers['webhook-signature'].split(' ').length, 2)
    for (const secret of [made.secret, rotated.secret]) new Webhook(secret).verify(body, headers)
    assert.throws(() => new Webhook(made.secret).verify(body + ' ', headers))
    assert.equal((await s.bridge.must('GET', `/v1/webhooks/${made.id}`)).live_secrets, 2)
    for (let i = 0; i < 9; i++) await s.bridge.must('POST', `/v1/webhooks/${made.id}/rotate-secret`, {})
    assert.equal((await s.bridge.call('POST', `/v1/webhooks/${made.id}/rotate-secret`, {})).json.code, 'limit_reached')
    await s.bridge.call('DELETE', `/v1/webhooks/${made.id}`)
    await receiver.close()
  })

  test('an Ed25519 signature verifies by the public key alone', async () => {
    const receiver = await plainReceiver()
    const made = await hook(receiver.url, { asymmetric: true })
    assert.match(made.public_key, /^whpk_/)
    await inbound('asymmetric')
    await eventually('it arrives', () => receiver.requests.length === 1)
    const { body, headers } = receiver.requests[0]
    const signature = headers['webhook-signature'].split(' ').find(one => one.startsWith('v1a,')).slice(4)
    const raw = Buffer.from(made.public_key.slice(5), 'base64')
    const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]), format: 'der', type: 'spki' })
    const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    assert.ok(verify(null, Buffer.from(content), key, Buffer.from(signature, 'base64')))
    new Webhook(made.secret).verify(body, headers)
    await s.bridge.call('DELETE', `/v1/webhooks/${made.id}`)
    await receiver.close()
  })

  test('every attempt is listed; what was given up is a dead letter and can be sent again', async () => {
    let good = false
    const receiver = await plainReceiver(() => good ? 200 : 500)
    const made = await hook(receiver.url)
    await inbound('refused')
    const letters = await eventually('a dead letter', async () => {
      const data = await all(`/v1/webhooks/${made.id}/dead-letters`)
      return data.length === 1 && data
    }, 20000)
    assert.equal(letters[0].attempts, 3)
    const attempts = await all(`/v1/webhooks/${made.id}/attempts`)
    assert.deepEqual(attempts.map(one => [one.attempt, one.status, one.verdict]), [3, 2, 1].map(n => [n, 500, 'server_error']))
    assert.equal(attempts[0].response, 'thank you')
    assert.ok(attempts[0].timings.total_us > 0)
    assert.equal(attempts[0].next_attempt_at, null)
    assert.deepEqual(await all(`/v1/webhooks/${made.id}/attempts?outcome=delivered`), [])
    assert.equal((await all(`/v1/webhooks/${made.id}/attempts?status=500&limit=2`)).length, 2)
    assert.equal((await all(`/v1/events/${letters[0].event_id}/attempts`)).filter(one => one.webhook_id === made.id).length, 3)
    // Paged to the end.
    const seen = []
    for (let cursor = ''; cursor !== null;) {
      const page = await s.bridge.must('GET', `/v1/webhooks/${made.id}/attempts?limit=1${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
      seen.push(...page.data.map(one => one.number))
      cursor = page.next_cursor
    }
    assert.deepEqual(seen, [3, 2, 1])
    good = true
    const job = await s.bridge.must('POST', `/v1/webhooks/${made.id}/replay`, { failed: true })
    await eventually('the job is done', async () => (await s.bridge.must('GET', `/v1/webhooks/${made.id}/replay/${job.id}`)).state === 'done')
    await eventually('it arrives', () => receiver.requests.length === 4)
    const [first, , , again] = receiver.requests
    assert.equal(again.headers['webhook-id'], first.headers['webhook-id'])
    assert.equal(again.body, first.body)
    assert.equal(again.headers['webhook-replay'], '1')
    new Webhook(made.secret).verify(again.body, again.headers)
    assert.deepEqual(await all(`/v1/webhooks/${made.id}/dead-letters`), [])
    const one = await eventually('the next job is taken', async () => {
      const answer = await s.bridge.call('POST', `/v1/webhooks/${made.id}/replay`, { event_id: letters[0].event_id })
      return answer.status === 202 && answer.json
    })
    assert.equal(one.state, 'running')
    await eventually('it arrives once more', () => receiver.requests.length === 5)
    const told = (await s.log()).events.filter(event => event.data.webhook_id === made.id).map(event => event.type)
    assert.deepEqual(told, ['webhook.exhausted'])
    for (const bad of [{}, { failed: true, event_id: 'evt_00000' }, { since: 'yesterday' }, { failed: false }]) {
      assert.equal((await s.bridge.call('POST', `/v1/webhooks/${made.id}/replay`, bad)).status, 400)
    }
    await s.bridge.call('DELETE', `/v1/webhooks/${made.id}`)
    await receiver.close()
  })

  test('a test send goes the real way and shows what came back', async () => {
    const receiver = await plainReceiver(() => 418)
    const made = await hook(receiver.url, { headers: { 'x-tenant': 'seven' } })
    const shown = await s.bridge.must('POST', `/v1/webhooks/${made.id}/test`)
    assert.equal(shown.delivered, false)
    assert.equal(shown.attempt.status, 418)
    assert.equal(shown.attempt.trigger, 'manual')
    assert.ok(shown.attempt.timings.first_byte_us > 0)
    assert.equal(receiver.requests[0].headers['x-tenant'], 'seven')
    new Webhook(made.secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    for (const name of ['host', 'connection', 'webhook-id', 'content-length', 'transfer-encoding', 'x-hub-signature-256', 'user-agent']) {
      assert.equal((await s.bridge.call('POST', '/v1/webhooks', { url: receiver.url, headers: { [name]: 'x' } })).status, 400, name)
    }
    await s.bridge.call('DELETE', `/v1/webhooks/${made.id}`)
    await receiver.close()
  })

  test('the dialects carry their own signatures', async () => {
    const receiver = await plainReceiver()
    const waha = await hook(receiver.url, { format: 'waha' })
    const cloud = await hook(receiver.url, { format: 'cloud' })
    await inbound('in dialects')
    await eventually('both arrive', () => receiver.requests.length === 2)
    for (const { body, headers } of receiver.requests) {
      const event = JSON.parse(body)
      if (event.object) {
        assert.equal(event.entry[0].changes[0].value.messages[0].text.body, 'in dialects')
        assert.equal(headers['x-hub-signature-256'], 'sha256=' + createHmac('sha256', cloud.secret).update(body).digest('hex'))
        new Webhook(cloud.secret).verify(body, headers)
      } else {
        assert.equal(event.event, 'message')
        assert.equal(event.payload.body, 'in dialects')
        assert.equal(headers['x-webhook-hmac'], createHmac('sha512', waha.secret).update(body).digest('hex'))
      }
    }
    for (const one of [waha, cloud]) await s.bridge.call('DELETE', `/v1/webhooks/${one.id}`)
    await receiver.close()
  })

  test('410 disables the endpoint, says so to the others and keeps what it is owed', async () => {
    let gone = true
    const receiver = await plainReceiver(() => gone ? 410 : 200)
    const made = await hook(receiver.url)
    await inbound('nobody home')
    const disabled = await eventually('it is disabled', async () => {
      const shown = await s.bridge.must('GET', `/v1/webhooks/${made.id}`)
      return shown.state === 'disabled' && shown
    })
    assert.equal(disabled.disabled_reason, 'gone')
    const told = await s.receiver.event('webhook.disabled', event => event.type === 'webhook.disabled' && event.data.webhook_id === made.id)
    assert.equal(told.data.reason, 'gone')
    assert.equal(told.session_id, null)
    assert.equal((await s.bridge.call('POST', `/v1/webhooks/${made.id}/replay`, { failed: true })).status, 409)
    gone = false
    await s.bridge.must('PATCH', `/v1/webhooks/${made.id}`, { state: 'enabled' })
    await eventually('what was kept arrives', () => receiver.requests.length >= 2)
    await s.bridge.call('DELETE', `/v1/webhooks/${made.id}`)
    await receiver.close()
  })
})
