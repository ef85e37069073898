// What operations sees: metrics that exist and move, health, traces, and a log without secrets.
import test from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { breakSending } from './lib/contact.mjs'
import { stage } from './lib/stage.mjs'
import { eventually, request } from './lib/programs.mjs'

const s = stage('operations', { extra: { log: { level: 'debug' } } })
const document = readFileSync(new URL('../../bridge/OPERATIONS.md', import.meta.url), 'utf8')
const documented = [...document.matchAll(/^\| `((?:waslo|process)_\w+)` \| (\w+) \| ([\w, ]*) ?\|/gm)]
  .map(([, name, type, labels]) => ({ name, type, labels: labels.split(',').map(one => one.trim()).filter(Boolean) }))

const ops = (path, headers = {}) => request(s.bridge.ops + path, { headers })

// The text exposition format 0.0.4, strictly: every sample belongs to a typed family, told once and in one block.
function parse(text) {
  assert.ok(text.endsWith('\n'))
  const families = new Map()
  let family
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (comment) {
      const [, kind, name, rest] = comment
      if (family?.name !== name) {
        assert.ok(!families.has(name), `${name} comes in two blocks`)
        family = { name, samples: [] }
        families.set(name, family)
      }
      assert.equal(family[kind], undefined, `${kind} of ${name} comes twice`)
      family[kind] = rest
      continue
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (-?[\d.eE+-]+|NaN|[+-]Inf)$/.exec(line)
    assert.ok(sample, `no line of the format: ${line}`)
    const labels = {}
    if (sample[2]) {
      const inner = sample[2].slice(1, -1)
      assert.match(inner, /^(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*"(?:,|$))*$/, line)
      for (const [, key, value] of inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value
    }
    const base = family?.TYPE === 'histogram' ? sample[1].replace(/_(bucket|sum|count)$/, '') : sample[1]
    assert.equal(base, family?.name, `${line} stands under its family`)
    family.samples.push({ name: sample[1], labels, value: Number(sample[3].replace('Inf', 'Infinity')) })
  }
  return families
}
const scrape = async () => parse((await ops('/metrics')).text)
const sum = (families, name, wanted = {}) => {
  const family = families.get(name)
  if (!family) return 0
  return family.samples.filter(one => Object.entries(wanted).every(([key, value]) => one.labels[key] === value))
    .filter(one => family.TYPE !== 'histogram' || one.name.endsWith('_count'))
    .reduce((all, one) => all + one.value, 0)
}

const canaries = new Map()
let ana
test('a conversation at level debug', { timeout: 90000 }, async () => {
  assert.ok(documented.length >= 35, `${documented.length} documented metrics`)
  const plant = (what, value) => { canaries.set(what, value); return value }
  const word = what => plant(what, `${what.replaceAll(' ', '-')}-${randomBytes(9).toString('hex')}`)
  ana = await s.contact(word('name of a contact'))
  plant('number of the contact', ana.pn)
  plant('LID of the contact', ana.lid)
  plant('own number', s.number)
  plant('own LID', s.session.me.lid)
  plant('token', s.bridge.token)
  plant('token of the operator', s.bridge.operatorToken)
  plant('password', s.bridge.password)
  plant('e-mail', s.bridge.email)
  plant('secret of the endpoint', s.receiver.endpoint.secret)
  const incoming = word('text that came in')
  await ana.sendText(s.jid, incoming)
  await s.receiver.text(incoming)
  const outgoing = word('text that went out')
  const sent = await s.send(ana.pn, outgoing)
  await ana.received(outgoing)
  await s.reached(sent.id, 'delivered')
  const named = await s.bridge.must('POST', '/v1/sessions', { name: word('name of a session'), metadata: { crm: word('metadata') } })
  await s.bridge.call('GET', `/v1/sessions/${named.id}?${word('query')}=1`)
  await s.bridge.call('GET', `/v1/${word('unknown path')}`)
  await s.bridge.call('POST', '/v1/login', { email: 'nobody@example.org', password: word('wrong password') }, null)
  await s.bridge.call('GET', '/v1/sessions', undefined, `wab_${word('wrong token')}`)
  await s.bridge.call('POST', `/v1/sessions/${s.session.id}/messages`, { to: word('bad recipient'), type: 'text', text: { body: word('refused text') } })
})

test('every documented metric exists with its type and labels, and nothing else does', async () => {
  const families = await eventually('all metrics', async () => {
    const found = await scrape()
    return documented.every(one => found.has(one.name)) && found
  }, 5000).catch(async () => {
    const found = await scrape()
    assert.deepEqual(documented.filter(one => !found.has(one.name)).map(one => one.name), [], 'missing metrics')
  })
  for (const { name, type, labels } of documented) {
    const family = families.get(name)
    assert.equal(family.TYPE, type, name)
    assert.ok(family.HELP.length > 3, name)
    for (const sample of family.samples) {
      const own = Object.keys(sample.labels).filter(key => key !== 'le')
      assert.deepEqual(own.sort(), [...labels].sort(), `labels of ${name}`)
      for (const value of Object.values(sample.labels)) {
        assert.doesNotMatch(value, /(org|ses|whk|usr|tok)_[a-z0-9]{20}|\d{7,}/, `${name} names nobody`)
        assert.ok(value.length <= 60, `${name}: ${value}`)
      }
    }
    if (type === 'histogram') {
      const buckets = family.samples.filter(one => one.name.endsWith('_bucket'))
      assert.equal(buckets.at(-1).labels.le, '+Inf', name)
      for (let i = 1; i < buckets.length; ++i) assert.ok(buckets[i].value >= buckets[i - 1].value, `${name} is cumulative`)
      assert.equal(buckets.at(-1).value, family.samples.find(one => one.name.endsWith('_count')).value, name)
    }
  }
  const known = new Set(documented.map(one => one.name))
  assert.deepEqual([...families.keys()].filter(name => !known.has(name)), [], 'metrics that are not documented')
})

test('they move with what happens', async () => {
  const before = await scrape()
  for (const name of ['waslo_connects_total', 'waslo_dials_total', 'waslo_dial_rate', 'waslo_dial_wait_seconds', 'waslo_storage_groups_total',
    'waslo_storage_group_commits', 'waslo_storage_sync_seconds', 'waslo_storage_bytes', 'waslo_storage_free_bytes', 'waslo_http_requests_total',
    'waslo_http_request_seconds', 'waslo_build_info', 'process_resident_memory_bytes', 'process_open_fds', 'waslo_messages_received_total',
    'waslo_messages_sent_total', 'waslo_webhook_first_post_seconds', 'waslo_webhook_delay_seconds']) {
    assert.ok(sum(before, name) > 0, `${name} is ${sum(before, name)}`)
  }
  assert.equal(sum(before, 'waslo_sessions', { status: 'WORKING', reason: 'working' }), 1)
  assert.equal(sum(before, 'waslo_sessions', { status: 'STOPPED' }), 1)
  assert.ok(sum(before, 'waslo_http_answers_total', { class: '4xx' }) >= 4)
  assert.equal(sum(before, 'waslo_outbox_depth'), 0)
  assert.equal(sum(before, 'waslo_outbox_oldest_seconds'), 0)

  s.receiver.answer = () => 500
  await ana.sendText(s.jid, 'nobody takes this')
  const owed = await eventually('an event is owed', async () => {
    const now = await scrape()
    return sum(now, 'waslo_outbox_depth') === 1 && sum(now, 'waslo_webhook_attempts_total', { verdict: 'server_error' }) > 0 && now
  })
  assert.ok(sum(owed, 'waslo_outbox_oldest_timestamp_seconds') > Date.now() / 1000 - 120)
  assert.equal(sum(owed, 'waslo_messages_received_total'), sum(before, 'waslo_messages_received_total') + 1)
  await eventually('it grows older', async () => sum(await scrape(), 'waslo_outbox_oldest_seconds') > sum(owed, 'waslo_outbox_oldest_seconds'))
  s.receiver.answer = () => 200
  const after = await eventually('it is taken by a retry', async () => {
    const now = await scrape()
    return sum(now, 'waslo_outbox_depth') === 0 && now
  }, 30000)
  assert.ok(sum(after, 'waslo_webhook_retries_total') >= 1)
  assert.ok(sum(after, 'waslo_webhook_attempts_total', { verdict: 'delivered' }) > sum(before, 'waslo_webhook_attempts_total', { verdict: 'delivered' }))
  await s.bridge.must('POST', `/v1/sessions/${s.session.id}/stop`)
  await eventually('the session is counted as stopped', async () => sum(await scrape(), 'waslo_sessions', { status: 'STOPPED', reason: 'stopped' }) === 1)
  assert.ok(sum(await scrape(), 'waslo_disconnects_total') > sum(before, 'waslo_disconnects_total'))
  await s.bridge.must('POST', `/v1/sessions/${s.session.id}/start`)
  await s.working()
})

test('every metric of the dashboard exists', async () => {
  const dashboard = JSON.parse(readFileSync(new URL('../../bridge/examples/grafana.json', import.meta.url), 'utf8'))
  const families = await scrape()
  const queries = dashboard.panels.flatMap(panel => (panel.targets ?? []).map(target => target.expr))
  assert.ok(queries.length >= 15, `${queries.length} queries`)
  const used = new Set(queries.flatMap(query => query.match(/\b(?:waslo|process)_\w+/g) ?? []))
  for (const name of used) {
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''))
    assert.ok(family, `the dashboard asks for ${name}`)
    assert.ok(families.has(name) || family.TYPE === 'histogram', name)
  }
  for (const query of queries) {
    for (const [, name, label] of query.matchAll(/(waslo_\w+)\{(\w+)=/g)) {
      assert.ok(documented.find(one => one.name === name).labels.includes(label), `${name} has the label ${label}`)
    }
  }
  assert.ok(used.size >= 20, `${used.size} metrics are shown`)
})

test('health and readiness, as text and as JSON', async () => {
  const healthy = await ops('/healthz')
  assert.deepEqual([healthy.status, healthy.text], [200, 'ok\n'])
  const ready = await ops('/readyz')
  assert.deepEqual([ready.status, ready.text], [200, 'ready\n'])
  for (const path of ['/healthz', '/readyz']) {
    const answer = await ops(path, { accept: 'application/json' })
    assert.equal(answer.status, 200)
    assert.match(answer.headers['content-type'], /^application\/json/)
    assert.deepEqual(answer.json, { status: path === '/healthz' ? 'ok' : 'ready', reason: '' })
  }
})

const lines = () => readFileSync(s.bridge.log, 'utf8').split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line))

test('a trace goes from the request through the log to the webhooks that it causes', async () => {
  const trace = randomBytes(16).toString('hex')
  const text = `traced ${trace.slice(0, 6)}`
  const answer = await s.bridge.call('POST', `/v1/sessions/${s.session.id}/messages`, { to: ana.pn, type: 'text', text: { body: text } }, undefined,
    { traceparent: `00-${trace}-b7ad6b7169203331-01` })
  assert.equal(answer.status, 202)
  assert.match(answer.headers.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  assert.notEqual(answer.headers.traceparent.split('-')[2], 'b7ad6b7169203331', 'a span of our own')
  await s.reached(answer.json.id, 'delivered')
  const acks = await eventually('its acks arrived', () => {
    const found = s.receiver.requests.filter(one => { const body = JSON.parse(one.body); return body.type === 'message.ack' && body.data.id === answer.json.id })
    return found.length >= 2 && found
  })
  for (const ack of acks) assert.match(ack.headers.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  const logged = lines().filter(line => line.trace === trace)
  const http = logged.find(line => line.event === 'http.request')
  assert.equal(http.route, '/v1/sessions/{id}/messages')
  assert.equal(http.method, 'POST')
  assert.equal(http.status, 202)
  assert.equal(http.request, answer.headers['x-request-id'])
  assert.ok(logged.some(line => line.event === 'webhook.attempt'), 'the attempts are in the log')
})

test('what no request caused has one trace for all its attempts', async () => {
  let fails = 1
  s.receiver.answer = () => (fails-- > 0 ? 503 : 200)
  await ana.sendText(s.jid, 'retried')
  const event = await s.receiver.text('retried')
  const traces = s.receiver.requests.filter(one => one.id === event.id).map(one => one.headers.traceparent.split('-'))
  assert.equal(traces.length, 2)
  assert.equal(traces[0][1], traces[1][1], 'the same trace')
  assert.notEqual(traces[0][2], traces[1][2], 'another span')
})

test('a traceparent that is not well formed is as if it were absent', async () => {
  const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  for (const bad of ['x', good.toUpperCase(), `ff${good.slice(2)}`, good.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)), `${good}${'-a'.repeat(300)}`]) {
    const answer = await s.bridge.call('GET', '/v1/sessions', undefined, undefined, { traceparent: bad })
    assert.equal(answer.status, 200)
    assert.match(answer.headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.ok(!answer.headers.traceparent.includes('0af7651916cd43dd8448eb211c80319c'))
  }
})

test('no line of the log at level debug holds a number, name, text, token or secret', () => {
  const log = readFileSync(s.bridge.log, 'utf8')
  const all = lines()
  assert.ok(all.length > 50 && all.some(line => line.level === 'debug'), 'there is a log at level debug')
  for (const line of all) {
    assert.match(line.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.match(line.event, /^[a-z_]+\.[a-z_]+$/)
  }
  const found = []
  for (const [what, value] of canaries) {
    const forms = [value, Buffer.from(value).toString('hex'), Buffer.from(value).toString('base64').replace(/=+$/, '')]
    if (forms.some(form => log.includes(form))) found.push(what)
  }
  assert.deepEqual(found, [])
  assert.doesNotMatch(log, /@(s\.whatsapp\.net|lid|g\.us)/, 'no address')
  assert.ok(canaries.size >= 18, `${canaries.size} canaries`)
})

test('a session that is not answered is DEGRADED until something comes, and says why', { timeout: 120000 }, async () => {
  // Longer than the suspicion (8 s), shorter than the end (20 s); the ping comes after 20 to 30 s of silence.
  await s.sandbox.must('POST', '/faults', { direction: 'out', account: s.number, tag: 'iq', type: 'result', delay_ms: 14000 })
  const degraded = await s.bridge.until(s.session.id, 'DEGRADED', 60000)
  assert.equal(degraded.reason.code, 'not_answering')
  assert.ok(degraded.reason.message.length > 20 && degraded.reason.next.length > 20)
  assert.equal(sum(await scrape(), 'waslo_sessions', { status: 'DEGRADED', reason: 'not_answering' }), 1)
  await s.sandbox.must('DELETE', '/faults')
  const working = await s.bridge.until(s.session.id, 'WORKING', 20000)
  assert.equal(working.reason.code, 'working')
  const told = await eventually('both changes were told', async () => {
    const { events } = await s.log()
    const states = events.filter(event => event.type === 'session.status').map(event => `${event.data.status}/${event.data.reason.code}`)
    return states.at(-1) === 'WORKING/working' && states.at(-2) === 'DEGRADED/not_answering'
  })
  assert.ok(told)
  await ana.sendText(s.jid, 'after the silence')
  await s.receiver.text('after the silence')
})

test('a session that cannot read what comes is DEGRADED until it can', { timeout: 60000 }, async () => {
  const before = await scrape()
  await ana.close()
  assert.ok(breakSending(ana) > 0)
  await ana.start()
  // Nobody is asked to send again, so that the run is not broken by what is healed.
  await s.sandbox.must('POST', '/faults', { direction: 'in', account: s.number, tag: 'receipt', type: 'retry', drop: true })
  for (let i = 1; i <= 5; ++i) await ana.sendText(s.jid, `unreadable ${i}`)
  const degraded = await s.bridge.until(s.session.id, 'DEGRADED', 20000)
  assert.equal(degraded.reason.code, 'decrypt_failing')
  assert.match(degraded.reason.next, /link the phone again/)
  assert.ok(sum(await scrape(), 'waslo_decrypt_failures_total') >= sum(before, 'waslo_decrypt_failures_total') + 5)
  await s.sandbox.must('DELETE', '/faults')
  const ben = await s.contact('Ben')
  await ben.sendText(s.jid, 'readable')
  await s.receiver.text('readable')
  assert.equal((await s.bridge.until(s.session.id, 'WORKING', 20000)).reason.code, 'working')
})
