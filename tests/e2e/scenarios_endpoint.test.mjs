// Scenarios of endpoints that users of other webhook services know, against the real programs. docs/delivery-scenarios.md
// says which is which.
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { Bridge, eventually, remove, workDir } from './lib/programs.mjs'
import { plainReceiver } from './lib/receiver.mjs'
import { stage } from './lib/stage.mjs'

const s = stage('scenarios-endpoint', { extra: { webhook: { schedule: ['0s', '1s', '1s'] } } })
const call = (...args) => s.bridge.call(...args)
const must = (...args) => s.bridge.must(...args)
const one = id => `/v1/webhooks/${id}`
let phone
async function say(text, number = s.number) {
  phone ??= await s.sandbox.account('Phone')
  await s.sandbox.send(phone.pn, number, text)
}
async function refused(answer, status, pointer) {
  const got = await answer
  assert.equal(got.status, status, got.text)
  if (pointer) assert.ok(got.json.errors.some(each => each.pointer.startsWith(pointer)), got.text)
}
// Endpoints of a test, gone at its end.
async function using(wishes, work) {
  const receiver = await plainReceiver()
  const made = []
  try {
    for (const wish of wishes) made.push(await must('POST', '/v1/webhooks', { url: receiver.url, events: ['message'], ...wish }))
    await work(receiver, ...made)
  } finally {
    for (const each of made) await call('DELETE', one(each.id))
    await receiver.close()
  }
}
const texts = requests => requests.map(each => JSON.parse(each.body).data.text?.body)

describe('an endpoint', () => {
  test('is made with defaults and with every setting, each with an id and a secret of its own', async () => {
    await using([{}, { events: ['message', 'call'], sessions: [s.session.id], format: 'waha', ordering: 'session', headers: { 'X-One': '1' }, rate_limit: 7, asymmetric: true }], async (receiver, plain, full) => {
      assert.notEqual(plain.id, full.id)
      assert.notEqual(plain.secret, full.secret)
      assert.match(plain.id, /^whk_[0-9a-z]{26}$/)
      const { format, ordering, rate_limit, headers, state, public_key, live_secrets } = plain
      assert.deepEqual({ format, ordering, rate_limit, headers, state, public_key, live_secrets }, { format: 'native', ordering: 'chat', rate_limit: 0, headers: {}, state: 'enabled', public_key: null, live_secrets: 1 })
      assert.deepEqual(full.events, ['message', 'call'])
      assert.deepEqual(full.sessions, [s.session.id])
      assert.deepEqual([full.format, full.ordering, full.rate_limit, full.headers], ['waha', 'session', 7, { 'X-One': '1' }])
      assert.match(full.public_key, /^whpk_/)
    })
  })

  test('changes in what a patch names and in nothing else', async () => {
    await using([{ headers: { 'X-One': '1' } }], async (receiver, made) => {
      let before = await must('GET', one(made.id))
      for (const change of [{ url: receiver.url + '/other' }, { events: ['message.*', 'call'] }, { events: [] }, { sessions: [s.session.id] }, { sessions: [] }, { format: 'cloud' }, { format: 'native' },
        { ordering: 'session' }, { rate_limit: 3 }, { headers: {} }, { state: 'disabled' }, { state: 'enabled' }]) {
        const after = await must('PATCH', one(made.id), change)
        assert.deepEqual({ ...after, updated_at: '' }, { ...before, ...change, updated_at: '' }, JSON.stringify(change))
        assert.ok(after.updated_at >= before.updated_at)
        before = after
      }
      for (const bad of [{}, { url: 'nonsense' }, { secret: made.secret }, { id: made.id }, { state: 'gone' }, { format: null }, { rate_limit: '3' }]) await refused(call('PATCH', one(made.id), bad), 400)
      assert.deepEqual(await must('GET', one(made.id)), before)
    })
  })

  test('is made, read, changed and deleted, and then unknown at each of its addresses', async () => {
    await using([], async receiver => {
      const { id } = await must('POST', '/v1/webhooks', { url: receiver.url })
      assert.equal((await must('GET', one(id))).id, id)
      await must('PATCH', one(id), { events: ['call'] })
      assert.equal((await call('DELETE', one(id))).status, 204)
      for (const [method, path, body] of [['GET', ''], ['PATCH', '', { events: [] }], ['DELETE', ''], ['GET', '/attempts'], ['GET', '/dead-letters'], ['POST', '/test'], ['GET', '/replay'],
        ['POST', '/replay', { failed: true }], ['POST', '/rotate-secret', {}]]) {
        await refused(call(method, one(id) + path, body), 404)
      }
    })
  })

  test('is listed once, in the same order at every reading, in pages of any size', async () => {
    await using(Array.from({ length: 5 }, () => ({})), async (receiver, ...made) => {
      const whole = (await must('GET', '/v1/webhooks?limit=100')).data.map(each => each.id)
      for (const each of made) assert.equal(whole.filter(id => id === each.id).length, 1)
      for (const limit of [1, 2, 3, 100]) {
        const walked = []
        for (let cursor = ''; cursor !== null;) {
          const page = await must('GET', `/v1/webhooks?limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
          assert.ok(page.data.length <= limit)
          walked.push(...page.data.map(each => each.id))
          cursor = page.next_cursor
        }
        assert.deepEqual(walked, whole)
      }
      await refused(call('GET', '/v1/webhooks?limit=0'), 400)
      await refused(call('GET', '/v1/webhooks?cursor=nonsense'), 400)
    })
  })

  test('shows its secret when it is made and when it is rotated, and never otherwise', async () => {
    await using([{}], async (receiver, made) => {
      const rotated = await must('POST', `${one(made.id)}/rotate-secret`, {})
      assert.notEqual(rotated.secret, made.secret)
      assert.ok(Date.parse(rotated.previous_valid_until) > Date.now() + 23 * 3600000)
      for (const path of ['/v1/webhooks', one(made.id), `${one(made.id)}/attempts`, '/v1/audit?order=desc']) {
        const { text } = await call('GET', path)
        for (const secret of [made.secret, rotated.secret]) assert.equal(text.includes(secret) || text.includes(secret.slice(6)), false, path)
      }
      const patched = await call('PATCH', one(made.id), { events: [] })
      assert.equal(patched.text.includes('whsec_'), false)
    })
  })

  test('signs with keys of both kinds over rotations, and with a new public key when the kind comes back', async () => {
    await using([{ asymmetric: true }], async (receiver, made) => {
      const rotated = await must('POST', `${one(made.id)}/rotate-secret`, {})
      await say('both kinds')
      await eventually('it arrives', () => receiver.requests.length === 1)
      const { body, headers } = receiver.requests[0]
      const signatures = headers['webhook-signature'].split(' ')
      assert.deepEqual(signatures.map(each => each.split(',')[0]).sort(), ['v1', 'v1', 'v1a'])
      for (const secret of [made.secret, rotated.secret]) new Webhook(secret).verify(body, headers)
      const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(made.public_key.slice(5), 'base64')]), format: 'der', type: 'spki' })
      assert.ok(verify(null, Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`), key, Buffer.from(signatures.find(each => each.startsWith('v1a,')).slice(4), 'base64')))
      await must('PATCH', one(made.id), { asymmetric: false })
      await say('one kind')
      await eventually('it arrives', () => receiver.requests.length === 2)
      assert.equal(receiver.requests[1].headers['webhook-signature'].includes('v1a,'), false)
      const again = await must('PATCH', one(made.id), { asymmetric: true })
      assert.notEqual(again.public_key, made.public_key)
    })
  })

  test('takes a secret that the tenant brings, of 24 to 64 bytes, and refuses every other text', async () => {
    for (const size of [24, 32, 64]) {
      const secret = 'whsec_' + randomBytes(size).toString('base64')
      await using([{ secret }], async (receiver, made) => {
        assert.equal(made.secret, secret)
        await say(`own secret of ${size}`)
        await eventually('it arrives', () => receiver.requests.length === 1)
        new Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
      })
    }
    const base64 = size => randomBytes(size).toString('base64')
    for (const secret of ['', 'whsec_', 'secret', base64(32), 'whsec_' + base64(23), 'whsec_' + base64(65), 'whsec_' + base64(32).slice(0, -1) + '!', 'whpk_' + base64(32), 'WHSEC_' + base64(32), ' whsec_' + base64(32), 7, null]) {
      await refused(call('POST', '/v1/webhooks', { url: s.receiver.url, secret }), 400, '/secret')
    }
  })

  test('hears the types and families that it asked for, and all when it asked for none', async () => {
    await using([{ events: ['message'] }, { events: ['message.*'] }, { events: ['call'] }, { events: [] }, { events: ['message.ack', 'session.status'] }], async (receiver, ...made) => {
      const heard = made.map(() => [])
      const urls = made.map((_, i) => `${receiver.url}/${i}`)
      for (const [i, each] of made.entries()) await must('PATCH', one(each.id), { url: urls[i] })
      await say('for whom it concerns')
      const sent = await s.send(phone.pn, 'an answer')
      await s.reached(sent.id, 'delivered')
      await eventually('everybody heard', () => {
        for (const list of heard) list.length = 0
        for (const request of receiver.requests) heard[Number(request.url.split('/').at(-1))].push(JSON.parse(request.body).type)
        return heard[3].includes('message.ack') && heard[4].includes('message.ack') && heard[1].includes('message.ack') && heard[0].length >= 1
      })
      assert.deepEqual([...new Set(heard[0])], ['message'])
      assert.ok(heard[1].every(type => type === 'message' || type.startsWith('message.')))
      assert.deepEqual(heard[2], [])
      assert.ok(heard[4].every(type => type === 'message.ack' || type === 'session.status'))
      for (const bad of [['nonsense type'], ['message', 7], ['.*'], 'message']) await refused(call('PATCH', one(made[0].id), { events: bad }), 400, '/events')
    })
  })

  test('hears the sessions that it asked for, and no others', async () => {
    const second = await s.bridge.pair(s.sandbox, 'Second')
    await using([{ sessions: [s.session.id] }, { sessions: [second.id] }, {}], async (receiver, ...made) => {
      for (const [i, each] of made.entries()) await must('PATCH', one(each.id), { url: `${receiver.url}/${i}` })
      await say('to the first')
      await say('to the second', second.me.pn)
      const at = i => texts(receiver.requests.filter(each => each.url.endsWith(`/${i}`)))
      await eventually('four arrive', () => receiver.requests.length === 4)
      assert.deepEqual(at(0), ['to the first'])
      assert.deepEqual(at(1), ['to the second'])
      assert.deepEqual(at(2).sort(), ['to the first', 'to the second'])
    })
    await s.bridge.call('DELETE', `/v1/sessions/${second.id}`)
  })

  test('gets no faster than its rate', async () => {
    await using([{ rate_limit: 2, ordering: 'session' }], async receiver => {
      const started = Date.now()
      for (let i = 0; i < 7; i++) await say(`paced ${i}`)
      await eventually('all arrive', () => receiver.requests.length === 7, 20000)
      assert.ok(receiver.requests[6].at - started >= 2000, `seven at two a second took ${receiver.requests[6].at - started} ms`)
      assert.deepEqual(texts(receiver.requests), Array.from({ length: 7 }, (_, i) => `paced ${i}`))
    })
  })

  test('headers are set, replaced as a whole and taken away; ours, doubles and what is no header are refused', async () => {
    await using([{ headers: { 'X-One': '1', 'X-Two': '2' } }], async (receiver, made) => {
      assert.deepEqual((await must('PATCH', one(made.id), { headers: { 'X-Three': '3' } })).headers, { 'X-Three': '3' })
      assert.deepEqual((await must('PATCH', one(made.id), { headers: {} })).headers, {})
      for (const headers of [{ 'Webhook-Id': 'x' }, { 'WEBHOOK-SIGNATURE': 'x' }, { Host: 'x' }, { 'content-length': '1' }, { 'Transfer-Encoding': 'chunked' }, { 'X-A': 'a', 'x-a': 'b' },
        { 'X A': 'x' }, { 'X:A': 'x' }, { '': 'x' }, { 'X-A': 'a\r\nX-B: b' }, { 'X-A': 'a\nb' }, { 'X-A': 'a\u0000b' }, { 'X-A': 7 }, { 'X-A': 'x'.repeat(1025) },
        Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`X-${i}`, 'x']))]) {
        await refused(call('PATCH', one(made.id), { headers }), 400, '/headers')
      }
      assert.deepEqual((await must('GET', one(made.id))).headers, {})
    })
  })

  test('headers arrive as they were written, beside ours, in a test and in a delivery', async () => {
    await using([{ headers: { 'X-Tenant-ID': 'seven', authorization: 'Bearer of news' } }], async (receiver, made) => {
      await must('POST', `${one(made.id)}/test`)
      await say('with headers')
      await eventually('both arrive', () => receiver.requests.length === 2)
      for (const { headers, raw } of receiver.requests) {
        assert.equal(headers['x-tenant-id'], 'seven')
        assert.equal(headers.authorization, 'Bearer of news')
        assert.equal(headers['content-type'], 'application/json')
        assert.equal(headers['user-agent'], 'Waslo-Bridge')
        assert.ok(raw.includes('X-Tenant-ID'), raw.filter((_, i) => i % 2 === 0).join())
      }
      await must('PATCH', one(made.id), { headers: { 'x-tenant-id': 'eight' } })
      await say('with another')
      await eventually('it arrives', () => receiver.requests.length === 3)
      assert.equal(receiver.requests[2].headers['x-tenant-id'], 'eight')
      assert.equal(receiver.requests[2].headers.authorization, undefined)
    })
  })

  test('is https and at the usual ports, unless the operator named the network', async () => {
    const dir = workDir('strict')
    const strict = new Bridge(dir, s.sandbox, { extra: { webhook: { allow_private_targets: ['10.0.0.0/8'], ports: ['443', '9443'] } } })
    try {
      await strict.start()
      await strict.bootstrap()
      for (const url of ['http://example.org/', 'http://example.org:443/', 'http://127.0.0.1:8080/', 'http://localhost/', 'https://example.org:8443/', 'https://example.org:22/', 'https://user@example.org/',
        'https://example.org/#part', 'ftp://example.org/', 'https://', 'example.org', 'http://[::1]/', 'http://169.254.169.254/']) {
        const answer = await strict.call('POST', '/v1/webhooks', { url })
        assert.equal(answer.status, 400, url)
        assert.equal(answer.json.errors[0].pointer, '/url', answer.text)
      }
      const ids = []
      for (const url of ['https://example.org/', 'https://example.org:9443/hook?x=1', 'http://10.1.2.3:3000/', 'https://10.1.2.3:1/']) ids.push((await strict.must('POST', '/v1/webhooks', { url })).id)
      for (const url of ['http://example.org/', 'https://example.org:8443/']) assert.equal((await strict.call('PATCH', one(ids[0]), { url })).status, 400)
      // A literal that is nobody's public address is taken as a text and never dialled.
      const shut = await strict.must('POST', '/v1/webhooks', { url: 'https://127.0.0.1/' })
      const tried = await strict.must('POST', `${one(shut.id)}/test`)
      assert.equal(tried.attempt.verdict, 'target_not_allowed')
      assert.equal(tried.attempt.address, null)
      assert.equal(tried.attempt.timings.connect_us, null)
    } finally {
      await strict.stop()
      remove(dir)
    }
  })

  test('is sent nothing any more once it is deleted or disabled', async () => {
    const receiver = await plainReceiver(() => 500)
    const made = {}
    for (const name of ['doomed', 'paused', 'control']) made[name] = await must('POST', '/v1/webhooks', { url: `${receiver.url}/${name}`, events: ['message'] })
    const heard = name => receiver.requests.filter(each => each.url.endsWith(name)).length
    await say('for nobody')
    await eventually('all tried', () => heard('doomed') + heard('paused') + heard('control') === 3)
    await call('DELETE', one(made.doomed.id))
    await must('PATCH', one(made.paused.id), { state: 'disabled' })
    await say('nobody hears this')
    // By then the others would have been tried again.
    await eventually('the control has had three attempts of both', () => heard('control') === 6, 20000)
    assert.deepEqual([heard('doomed'), heard('paused')], [1, 1])
    for (const name of ['paused', 'control']) await call('DELETE', one(made[name].id))
    await receiver.close()
  })
})

describe('sending again', () => {
  test('takes any start, counts what it looked at and what it queued, and sends the same ids', async () => {
    await using([{}], async (receiver, made) => {
      // WhatsApp dates messages by the second.
      const second = Math.ceil(Date.now() / 1000) * 1000
      await eventually('a new second', () => Date.now() >= second)
      const begun = new Date(second).toISOString()
      for (let i = 0; i < 3; i++) await say(`again ${i}`)
      await eventually('three arrive', () => receiver.requests.length === 3)
      const finished = async (wish, arrived) => {
        const job = await must('POST', `${one(made.id)}/replay`, wish)
        const done = await eventually('it is done', async () => {
          const now = await must('GET', `${one(made.id)}/replay/${job.id}`)
          return now.state === 'done' && now
        })
        await eventually('it arrives', () => receiver.requests.length === arrived)
        return done
      }
      const range = await finished({ since: begun }, 6)
      assert.equal(range.queued, 3)
      assert.ok(range.examined >= 3)
      const chat = JSON.parse(receiver.requests[0].body).data.chat.id
      assert.equal((await finished({ since: begun, chat }, 9)).queued, 3)
      assert.equal((await finished({ since: begun, chat: '1@s.whatsapp.net' }, 9)).queued, 0)
      assert.equal((await finished({ failed: true }, 9)).queued, 0)
      const everything = await finished({ since: '2000-01-01T00:00:00Z', until: begun }, receiver.requests.length + (await s.log()).events.filter(e => e.type === 'message' && e.occurred_at < begun).length)
      assert.ok(everything.queued >= 1)
      assert.equal(new Set(receiver.requests.slice(0, 9).map(each => each.id)).size, 3)
      const listed = (await must('GET', `${one(made.id)}/replay`)).data
      assert.equal(listed.length, 5)
      assert.equal(listed[0].id, everything.id)
      for (const bad of [{ since: begun, until: begun }, { since: 'now' }, { dead_letter: 0 }, { dead_letter: 1, failed: true }, { event_id: 'evt_x', chat }]) await refused(call('POST', `${one(made.id)}/replay`, bad), 400)
      await refused(call('POST', `${one(made.id)}/replay`, { dead_letter: 1 }), 404)
    })
  })

  test('one dead letter is taken off the list by its number', async () => {
    let good = false
    const receiver = await plainReceiver(() => good ? 200 : 500)
    const made = await must('POST', '/v1/webhooks', { url: receiver.url, events: ['message'] })
    await say('dead one')
    await say('dead two')
    const letters = await eventually('two letters', async () => {
      const { data } = await must('GET', `${one(made.id)}/dead-letters`)
      return data.length === 2 && data
    }, 20000)
    good = true
    const before = receiver.requests.length
    await must('POST', `${one(made.id)}/replay`, { dead_letter: letters[1].number })
    await eventually('it arrives', () => receiver.requests.length === before + 1)
    assert.equal(receiver.requests.at(-1).id, letters[1].event_id)
    assert.equal(receiver.requests.at(-1).headers['webhook-replay'], '1')
    assert.deepEqual((await must('GET', `${one(made.id)}/dead-letters`)).data, [letters[0]])
    await call('DELETE', one(made.id))
    await receiver.close()
  })

  test('a body is the same at every attempt and every replay, whatever the format becomes', async () => {
    let good = false
    const receiver = await plainReceiver(() => good ? 200 : 500)
    const made = await must('POST', '/v1/webhooks', { url: receiver.url, events: ['message'], format: 'waha' })
    await say('pinned')
    await eventually('the first attempt', () => receiver.requests.length >= 1)
    await must('PATCH', one(made.id), { format: 'cloud' })
    await eventually('a dead letter', async () => (await must('GET', `${one(made.id)}/dead-letters`)).data.length === 1, 20000)
    await must('PATCH', one(made.id), { format: 'evolution' })
    good = true
    for (const wish of [{ failed: true }, { event_id: receiver.requests[0].id }]) {
      const before = receiver.requests.length
      await eventually('it is taken', async () => (await call('POST', `${one(made.id)}/replay`, wish)).status === 202)
      await eventually('it arrives', () => receiver.requests.length === before + 1)
    }
    assert.equal(new Set(receiver.requests.map(each => each.body)).size, 1)
    assert.ok(receiver.requests.every(each => each.headers['x-webhook-hmac']), 'the signature of that dialect, too')
    await say('in the new one')
    await eventually('it arrives', () => receiver.requests.at(-1).id !== receiver.requests[0].id)
    assert.equal(JSON.parse(receiver.requests.at(-1).body).event, 'messages.upsert')
    await call('DELETE', one(made.id))
    await receiver.close()
  })
})
