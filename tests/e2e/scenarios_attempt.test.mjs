// Scenarios of attempts and of events on their way that users of other webhook services know, against the real programs.
// docs/delivery-scenarios.md says which is which.
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { once } from 'node:events'
import { Bridge, eventually, remove, workDir } from './lib/programs.mjs'
import { plainReceiver } from './lib/receiver.mjs'
import { stage } from './lib/stage.mjs'

const s = stage('scenarios-attempt', { extra: { webhook: { schedule: ['0s', ...Array(5).fill('1s')] } } })
const must = (...args) => s.bridge.must(...args)
const one = id => `/v1/webhooks/${id}`
const all = async path => (await must('GET', path)).data
let phone
async function say(text, number = s.number) {
  phone ??= await s.sandbox.account('Phone')
  await s.sandbox.send(phone.pn, number, text)
}
async function using(receiver, wishes, work) {
  const made = []
  try {
    for (const [i, wish] of wishes.entries()) made.push(await must('POST', '/v1/webhooks', { url: `${receiver.url}/${i}`, events: ['message'], ...wish }))
    await work(...made)
  } finally {
    for (const each of made) await s.bridge.call('DELETE', one(each.id))
    await receiver.close()
  }
}
const walked = async (path, limit) => {
  const out = []
  for (let cursor = ''; cursor !== null;) {
    const page = await must('GET', `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
    out.push(...page.data)
    cursor = page.next_cursor
  }
  return out
}

// Follows the log through everything that this file does; the last test looks at it.
const follower = { events: [], pings: 0 }
test('a follower of the log connects', async () => {
  follower.cursor = (await s.log()).cursor
  follower.token = s.bridge.token
  follower.socket = new WebSocket(`${s.bridge.base.replace('http', 'ws')}/v1/events/stream?after=${follower.cursor}`, { headers: { authorization: `Bearer ${follower.token}` } })
  follower.socket.on('message', data => follower.events.push(JSON.parse(data)))
  follower.socket.on('ping', () => follower.pings++)
  await once(follower.socket, 'open')
})

describe('attempts', () => {
  test('of an endpoint are its own, each once: delivered, failed, and those that are tried again', async () => {
    const receiver = await plainReceiver(({ url, body }, count) => url.endsWith('/0') || !body.includes('bad') ? 200 : 503)
    await using(receiver, [{}, {}], async (good, bad) => {
      await say('fine')
      await say('bad luck')
      const failed = await eventually('a failure', async () => {
        const data = await all(`${one(bad.id)}/attempts?outcome=failed`)
        return data.length >= 1 && data
      })
      // On its way: it has a time for its next attempt. What was delivered has none.
      assert.ok(Date.parse(failed.at(-1).next_attempt_at) > Date.parse(failed.at(-1).attempted_at))
      const delivered = await all(`${one(bad.id)}/attempts?outcome=delivered`)
      assert.deepEqual(delivered.map(each => [each.status, each.next_attempt_at]), [[200, null]])
      assert.equal(failed.every(each => each.status === 503 && each.verdict === 'unavailable'), true)
      const own = await all(`${one(good.id)}/attempts`)
      assert.equal(own.length, 2)
      assert.ok(own.every(each => each.webhook_id === good.id && each.status === 200))
      assert.equal(new Set(own.map(each => each.event_id)).size, 2)
    })
  })

  test('of an event are found at every endpoint that was to hear it', async () => {
    const receiver = await plainReceiver(({ url }) => url.endsWith('/1') ? 500 : 200)
    await using(receiver, [{}, {}, { events: ['call'] }], async (good, bad, deaf) => {
      await say('where did it go')
      await eventually('two attempts of the bad one', () => receiver.requests.filter(each => each.url.endsWith('/1')).length >= 2)
      const { id } = receiver.requests[0]
      const data = await eventually('they are listed', async () => {
        const list = await all(`/v1/events/${id}/attempts`)
        return list.filter(each => each.webhook_id === bad.id).length >= 2 && list
      })
      const of = hook => data.filter(each => each.webhook_id === hook.id)
      assert.deepEqual(of(good).map(each => each.status), [200])
      assert.ok(of(bad).every(each => each.status === 500 && each.event_id === id))
      assert.deepEqual(of(deaf), [])
      assert.equal(of(s.receiver.endpoint).length, 1)
      assert.equal((await s.bridge.call('GET', '/v1/events/evt_nothing/attempts')).status, 404)
    })
  })

  test('are counted from one, keep the id, and wait as the schedule says', async () => {
    const receiver = await plainReceiver((_, count) => count < 4 ? 500 : 200)
    await using(receiver, [{}], async made => {
      await say('fourth time lucky')
      await eventually('the fourth', () => receiver.requests.length === 4, 20000)
      const list = await eventually('it is listed', async () => {
        const data = await all(`${one(made.id)}/attempts`)
        return data.length === 4 && data.reverse()
      })
      assert.deepEqual(list.map(each => [each.attempt, each.status, each.trigger]), [[1, 500, 'scheduled'], [2, 500, 'scheduled'], [3, 500, 'scheduled'], [4, 200, 'scheduled']])
      assert.equal(new Set(receiver.requests.map(each => each.id)).size, 1)
      for (let i = 1; i < 4; i++) {
        const waited = receiver.requests[i].at - receiver.requests[i - 1].at
        assert.ok(waited >= 780 && waited < 5000, `${waited} ms between attempts of a schedule of a second with a fifth of jitter`)
        assert.ok(Date.parse(list[i].attempted_at) >= Date.parse(list[i - 1].next_attempt_at) - 5)
      }
      assert.equal(list[3].next_attempt_at, null)
    })
  })

  test('a schedule of one attempt makes one attempt', async () => {
    const dir = workDir('once')
    const receiver = await plainReceiver(() => 500)
    const bridge = new Bridge(dir, s.sandbox, { extra: { webhook: { allow_private_targets: ['127.0.0.0/8'], schedule: ['0s'] } } })
    try {
      await bridge.start()
      await bridge.bootstrap()
      const made = await bridge.must('POST', '/v1/webhooks', { url: receiver.url, events: ['session.status'] })
      await bridge.must('POST', `/v1/sessions/${(await bridge.must('POST', '/v1/sessions', { name: 'one' })).id}/start`)
      const letter = await eventually('a dead letter', async () => (await bridge.must('GET', `${one(made.id)}/dead-letters`)).data[0])
      assert.equal(letter.attempts, 1)
      assert.ok(receiver.requests.filter(each => each.id === letter.event_id).length === 1)
    } finally {
      await bridge.stop()
      await receiver.close()
      remove(dir)
    }
  })

  test('filters by outcome, status and event narrow one another', async () => {
    const receiver = await plainReceiver(({ body }) => /tea/.test(body) ? 418 : /pot/.test(body) ? 404 : 202)
    await using(receiver, [{ ordering: 'none' }], async made => {
      for (const text of ['tea', 'pot', 'cup']) await say(text)
      const ids = Object.fromEntries((await eventually('all were tried', () => new Set(receiver.requests.map(each => each.id)).size === 3 && receiver.requests))
        .map(each => [JSON.parse(each.body).data.text.body, each.id]))
      const path = `${one(made.id)}/attempts`
      const texts = async query => new Set((await all(`${path}?${query}`)).map(each => Object.keys(ids).find(text => ids[text] === each.event_id)))
      await eventually('all are listed', async () => (await texts('limit=100')).size === 3)
      assert.deepEqual(await texts('outcome=delivered'), new Set(['cup']))
      assert.deepEqual(await texts('outcome=failed'), new Set(['tea', 'pot']))
      assert.deepEqual(await texts('status=418'), new Set(['tea']))
      assert.deepEqual(await texts('outcome=failed&status=404'), new Set(['pot']))
      assert.deepEqual(await texts('outcome=delivered&status=404'), new Set())
      assert.deepEqual(await texts(`event=${ids.tea}`), new Set(['tea']))
      assert.deepEqual(await texts(`event=${ids.tea}&outcome=delivered`), new Set())
      assert.deepEqual(await texts(`event=${ids.cup}&outcome=delivered&status=202`), new Set(['cup']))
      for (const bad of ['outcome=maybe', 'status=1000', 'status=x', 'since=now', 'outcome=failed&outcome=delivered']) assert.equal((await s.bridge.call('GET', `${path}?${bad}`)).status, 400, bad)
    })
  })

  test('pages hold each attempt once, in any size, by endpoint and by event, and a second reading is the same', async () => {
    const receiver = await plainReceiver((_, count) => count <= 3 ? 500 : 200)
    await using(receiver, [{}], async made => {
      await say('page me')
      await eventually('four attempts', () => receiver.requests.length === 4, 20000)
      for (let i = 0; i < 5; i++) await say(`and me ${i}`)
      await eventually('nine attempts', async () => (await all(`${one(made.id)}/attempts?limit=100`)).length === 9)
      const whole = await all(`${one(made.id)}/attempts?limit=100`)
      assert.deepEqual(whole.map(each => each.number), [...whole.map(each => each.number)].sort((a, b) => b - a), 'the newest first')
      for (const limit of [1, 2, 4, 100]) assert.deepEqual(await walked(`${one(made.id)}/attempts`, limit), whole)
      const failed = whole.filter(each => each.status === 500)
      for (const limit of [1, 2, 100]) assert.deepEqual(await walked(`${one(made.id)}/attempts?outcome=failed`, limit), failed)
      assert.deepEqual((await all(`${one(made.id)}/attempts?event=${receiver.requests[0].id}`)).map(each => each.attempt), [4, 3, 2, 1])
      const { next_cursor } = await must('GET', `${one(made.id)}/attempts?limit=1`)
      const other = await must('POST', '/v1/webhooks', { url: receiver.url })
      assert.equal((await s.bridge.call('GET', `${one(other.id)}/attempts?cursor=${encodeURIComponent(next_cursor)}`)).json.code, 'invalid_cursor')
      await s.bridge.call('DELETE', one(other.id))
    })
  })

  test('an answer is kept to its first 4 KiB, as text, and goes with its endpoint', async () => {
    const long = 'é'.repeat(5000)
    const receiver = await plainReceiver(({ body }) => ({ status: 400, body: body.includes('long') ? long : Buffer.from([0xff, 0xfe, 0x41]) }))
    await using(receiver, [{ ordering: 'none' }], async made => {
      await say('long')
      await say('bytes')
      const list = await eventually('both are listed', async () => {
        const data = await all(`${one(made.id)}/attempts`)
        return new Set(data.map(each => each.response_bytes)).size >= 2 && data
      })
      const kept = list.find(each => each.response_bytes === 10000)
      assert.equal(kept.response, 'é'.repeat(2048))
      assert.equal(list.find(each => each.response_bytes === 3).response, '??A')
    })
  })

  test('a redirect is recorded and not followed', async () => {
    const elsewhere = await plainReceiver()
    const receiver = await plainReceiver(() => ({ status: 308, headers: { location: elsewhere.url } }))
    await using(receiver, [{}], async made => {
      const shown = await must('POST', `${one(made.id)}/test`)
      assert.deepEqual([shown.delivered, shown.attempt.status, shown.attempt.verdict], [false, 308, 'redirect_refused'])
      assert.equal(elsewhere.requests.length, 0)
    })
    await elsewhere.close()
  })
})

describe('an event on its way', () => {
  test('reaches every endpoint with the bytes of the event log, whatever becomes of the others', async () => {
    const receiver = await plainReceiver(({ url }) => url.endsWith('/1') ? 500 : url.endsWith('/2') ? null : 200)
    await using(receiver, [{}, {}, {}, {}], async () => {
      const { cursor } = await s.log()
      await say('to everyone')
      await eventually('all heard', () => [0, 1, 2, 3].every(i => receiver.requests.some(each => each.url.endsWith(`/${i}`))))
      const { text } = await s.bridge.call('GET', `/v1/events?after=${cursor}`)
      const bodies = new Set(receiver.requests.map(each => each.body))
      assert.equal(bodies.size, 1)
      assert.ok(text.includes([...bodies][0]), 'the same bytes as in the log')
      const event = JSON.parse([...bodies][0])
      assert.deepEqual(Object.keys(event), ['id', 'type', 'seq', 'organization_id', 'session_id', 'occurred_at', 'data'])
      assert.equal(event.data.text.body, 'to everyone')
      assert.equal(event.organization_id, s.bridge.org)
      assert.ok(receiver.requests.every(each => each.id === event.id))
    })
  })

  test('keeps every character of its text', async () => {
    const receiver = await plainReceiver()
    await using(receiver, [{}], async () => {
      const texts = ['"quotes" \\ and / slashes', 'tab\tand\nline', 'مرحبا بالعالم', '日本語', '👩‍👩‍👧 🇸🇾', '<script>&amp;', '\u2028\u2029', 'x'.repeat(20000)]
      for (const text of texts) await say(text)
      await eventually('all arrive', () => receiver.requests.length === texts.length)
      assert.deepEqual(receiver.requests.map(each => JSON.parse(each.body).data.text.body), texts)
    })
  })

  test('of an organization that is deleted is not sent any more', async () => {
    const receiver = await plainReceiver(() => 500)
    const token = s.bridge.token
    const org = s.bridge.org
    try {
      const doomed = await s.bridge.organization('Doomed')
      await must('POST', '/v1/webhooks', { url: receiver.url, events: ['session.status'] })
      await must('POST', `/v1/sessions/${(await must('POST', '/v1/sessions', { name: 'doomed' })).id}/start`)
      await eventually('it was tried', () => receiver.requests.length >= 1)
      assert.equal((await s.bridge.call('DELETE', `/v1/organizations/${doomed.id}`, undefined, s.bridge.operatorToken)).status, 204)
      const before = receiver.requests.length
      s.bridge.token = token
      // A healthy neighbour's event goes through several attempts meanwhile.
      const other = await plainReceiver((_, count) => count < 3 ? 500 : 200)
      await using(other, [{}], async () => {
        await say('the neighbour goes on')
        await eventually('three attempts', () => other.requests.length === 3, 20000)
      })
      assert.ok(receiver.requests.length <= before + 1, 'at most the attempt that was under way')
      assert.equal((await s.bridge.call('GET', `/v1/organizations/${doomed.id}`, undefined, s.bridge.operatorToken)).status, 404)
    } finally {
      s.bridge.token = token
      s.bridge.org = org
      await receiver.close()
    }
  })
})

describe('operational events', () => {
  test('failing, recovered and exhausted are told once each, to the log and to the other endpoints', async () => {
    let good = false
    const receiver = await plainReceiver(({ url }) => url.endsWith('/0') && !good ? 500 : 200)
    await using(receiver, [{}, { events: ['webhook.*'] }], async (bad, ears) => {
      const { cursor } = await s.log()
      const told = () => receiver.requests.filter(each => each.url.endsWith('/1')).map(each => JSON.parse(each.body)).filter(event => event.data.webhook_id === bad.id)
      await say('never mind')
      await eventually('failing is told', () => told().some(event => event.type === 'webhook.failing'), 20000)
      await eventually('exhausted is told', () => told().some(event => event.type === 'webhook.exhausted'), 20000)
      good = true
      await say('better now')
      await eventually('recovered is told', () => told().some(event => event.type === 'webhook.recovered'), 20000)
      assert.deepEqual(told().map(event => event.type).sort(), ['webhook.exhausted', 'webhook.failing', 'webhook.recovered'])
      for (const event of told()) {
        assert.equal(event.session_id, null)
        assert.equal(event.data.url, bad.url)
      }
      const exhausted = told().find(event => event.type === 'webhook.exhausted')
      assert.deepEqual([exhausted.data.attempts, exhausted.data.status, exhausted.data.event_type], [6, 500, 'message'])
      assert.deepEqual(told().map(event => event.seq).sort(), [1, 2, 3], 'counted per endpoint')
      assert.deepEqual((await s.log(cursor)).events.filter(event => event.data.webhook_id === bad.id).map(event => event.id).sort(), told().map(event => event.id).sort())
      assert.equal((await all(`${one(bad.id)}/attempts?limit=100`)).some(each => each.event_type.startsWith('webhook.')), false, 'not to the one that they are about')
      // A reader of the log resumes behind such an event, too.
      const last = told().at(-1)
      const rest = await must('GET', `/v1/events?after=${bad.id}:${last.seq}`)
      assert.equal(rest.data.some(event => event.id === last.id), false)
      assert.equal((await s.bridge.call('GET', `/v1/events?after=${bad.id}:99`)).json.code, 'invalid_cursor')
    })
  })

  test('making, changing and deleting an endpoint is in the audit log, with who did it', async () => {
    const receiver = await plainReceiver()
    const made = await must('POST', '/v1/webhooks', { url: receiver.url })
    await must('PATCH', one(made.id), { events: ['call'] })
    await must('POST', `${one(made.id)}/rotate-secret`, {})
    await s.bridge.call('DELETE', one(made.id))
    const rows = (await all('/v1/audit?order=desc&limit=20')).filter(row => row.action.startsWith('webhook.') && row.outcome === 'done').slice(0, 4).reverse()
    assert.deepEqual(rows.map(row => row.action), ['webhook.create', 'webhook.change', 'webhook.rotate_secret', 'webhook.delete'])
    assert.ok(rows.every(row => row.actor && row.address))
    await receiver.close()
  })
})

describe('who may ask', () => {
  test('a token that is refused is told one and the same, whatever is wrong with it', async () => {
    const expired = await must('POST', '/v1/tokens', { name: 'gone', role: 'viewer' })
    await s.bridge.call('DELETE', `/v1/tokens/${expired.id}`)
    const answers = []
    for (const token of [null, 'nonsense', expired.token, expired.token.slice(0, -1) + '_', s.bridge.token + 'x']) answers.push(await s.bridge.call('GET', '/v1/webhooks', undefined, token))
    assert.deepEqual([...new Set(answers.map(each => `${each.status} ${each.json.code} ${each.json.title}`))].length, 1)
    assert.equal(answers[0].status, 401)
  })

  test('a token that may read endpoints may not change them, and one without that scope not even look', async () => {
    const receiver = await plainReceiver()
    const made = await must('POST', '/v1/webhooks', { url: receiver.url })
    const token = async (role, scopes) => (await must('POST', '/v1/tokens', { name: role, role, ...(scopes ? { scopes } : {}) })).token
    const reader = await token('admin', ['webhooks:read'])
    assert.equal((await s.bridge.call('GET', one(made.id), undefined, reader)).status, 200)
    for (const [method, path, body] of [['PATCH', '', { events: [] }], ['DELETE', ''], ['POST', '/test'], ['POST', '/rotate-secret', {}], ['POST', '/replay', { failed: true }]]) {
      assert.equal((await s.bridge.call(method, one(made.id) + path, body, reader)).status, 403, method + path)
    }
    const narrow = await token('admin', ['sessions:read'])
    for (const path of ['/v1/webhooks', one(made.id), `${one(made.id)}/attempts`, `${one(made.id)}/dead-letters`, `${one(made.id)}/replay`]) assert.equal((await s.bridge.call('GET', path, undefined, narrow)).status, 403, path)
    await s.bridge.call('DELETE', one(made.id))
    await receiver.close()
  })
})

test('the follower saw everything, once and in order, and was given signs of life', async () => {
  await eventually('a ping', () => follower.pings > 0, 30000)
  const { events } = await s.log(follower.cursor)
  await eventually('all of the log', () => follower.events.length >= events.length)
  assert.deepEqual(follower.events.slice(0, events.length), events)
  assert.ok(events.some(event => event.session_id === null), 'operational events among them')
  follower.socket.close()
})
