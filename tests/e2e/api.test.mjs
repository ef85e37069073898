// The HTTP API and the webhooks as an integrator meets them, and what the program says when it cannot start.
import test, { describe } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import WebSocket from 'ws'
import { stage } from './lib/stage.mjs'
import { binDir, Bridge, eventually, Program, remove, workDir } from './lib/programs.mjs'

const s = stage('api', { extra: { webhook: { schedule: ['0s', '1s', '1s', '1s', '1s', '1s', '1s', '1s'] } } })
const problem = (answer, status, code) => {
  assert.equal(answer.status, status, answer.text)
  assert.match(answer.headers['content-type'], /^application\/problem\+json/)
  assert.equal(answer.json.status, status)
  if (code) assert.equal(answer.json.code, code)
}
let phone
const say = async text => {
  phone ??= await s.sandbox.account('Phone')
  return s.sandbox.send(phone.pn, s.number, text)
}

describe('setup', () => {
  test('until an operator exists there is only the setup, and its token works once', async () => {
    const dir = workDir('setup')
    const bridge = await new Bridge(dir, s.sandbox).start()
    try {
      const setup_token = await bridge.setupToken()
      for (const [method, path] of [['GET', '/v1/sessions'], ['POST', '/v1/sessions'], ['GET', '/v1/organizations'], ['GET', '/v1/events'], ['POST', '/v1/login']]) {
        problem(await bridge.call(method, path, method === 'POST' ? {} : undefined), 503, 'setup_required')
      }
      const first = { setup_token, email: 'ops@example.org', password: 'correct horse battery' }
      problem(await bridge.call('POST', '/v1/setup', { ...first, setup_token: setup_token.slice(0, -1) + (setup_token.endsWith('x') ? 'y' : 'x') }, null), 401, 'unauthenticated')
      const made = await bridge.must('POST', '/v1/setup', first, null)
      assert.match(made.token, /^wab_[a-z]+_[0-9A-Za-z]{36}$/)
      assert.equal((await bridge.call('POST', '/v1/setup', first, null)).status, 409)
      assert.equal((await bridge.call('GET', '/v1/organizations', undefined, made.token)).status, 200)
      await bridge.stop()
      await bridge.start()
      assert.ok(!bridge.program.lines.some(line => line.includes('setup token')), 'no second setup token')
      assert.equal((await bridge.call('POST', '/v1/setup', first, null)).status, 409)
      assert.equal((await bridge.call('GET', '/v1/organizations', undefined, made.token)).status, 200)
    } finally {
      await bridge.stop()
      remove(dir)
    }
  })
})

describe('who may do what', () => {
  test('a wrong, a foreign or no token is 401', async () => {
    const token = s.bridge.token
    const wrong = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
    for (const bad of [null, 'x', 'wab_org_' + 'A'.repeat(36), wrong, token + 'A', token.slice(1)]) {
      problem(await s.bridge.call('GET', '/v1/sessions', undefined, bad), 401, 'unauthenticated')
    }
    const basic = await s.bridge.call('GET', '/v1/sessions', undefined, null, { authorization: `Basic ${Buffer.from(`a:${token}`).toString('base64')}` })
    problem(basic, 401, 'unauthenticated')
    assert.equal((await s.bridge.call('GET', `/v1/sessions?token=${token}`, undefined, null)).status, 401)
  })

  test('what belongs to another organization does not exist', async () => {
    const mine = { org: s.bridge.org, token: s.bridge.token }
    const webhook = s.receiver.endpoint.id
    const { id: message } = await s.send((await s.sandbox.account('Somebody')).pn, 'mine')
    const other = new Bridge(workDir('other'), s.sandbox)
    Object.assign(other, { base: s.bridge.base, operatorToken: s.bridge.operatorToken })
    await other.organization('Other')
    assert.notEqual(other.org, mine.org)
    const id = s.session.id
    const calls = [
      ['GET', `/v1/sessions/${id}`], ['PATCH', `/v1/sessions/${id}`, { name: 'x' }], ['DELETE', `/v1/sessions/${id}`], ['POST', `/v1/sessions/${id}/start`],
      ['POST', `/v1/sessions/${id}/stop`], ['POST', `/v1/sessions/${id}/restart`], ['POST', `/v1/sessions/${id}/logout`], ['GET', `/v1/sessions/${id}/qr`],
      ['POST', `/v1/sessions/${id}/messages`, { to: '15550109999', type: 'text', text: { body: 'x' } }], ['GET', `/v1/sessions/${id}/qr/stream`],
      ['POST', `/v1/sessions/${id}/pairing-code`, { phone: '15550109999' }], ['GET', `/v1/messages/${message}`],
      ['GET', `/v1/webhooks/${webhook}`], ['PATCH', `/v1/webhooks/${webhook}`, { state: 'disabled' }], ['DELETE', `/v1/webhooks/${webhook}`]
    ]
    for (const [method, path, body] of calls) {
      const answer = await other.call(method, path, body)
      assert.equal(answer.status, 404, `${method} ${path}: ${answer.text}`)
    }
    assert.deepEqual((await other.must('GET', '/v1/sessions')).data, [])
    assert.deepEqual((await other.must('GET', '/v1/webhooks')).data, [])
    assert.deepEqual((await other.must('GET', '/v1/events')).data, [])
    // The organization comes from the token, whatever else is said.
    const headers = { 'x-organization-id': mine.org, 'organization': mine.org }
    assert.deepEqual((await other.must('GET', `/v1/sessions?limit=10`, undefined, undefined, headers)).data, [])
    assert.equal((await s.bridge.call('GET', `/v1/organizations/${mine.org}`)).status, 403)
    assert.equal((await s.bridge.call('GET', '/v1/sessions', undefined, s.bridge.operatorToken)).status, 403)
    await s.working()
    remove(other.dir)
  })

  test('a token can be revoked, and a viewer can only look', async () => {
    const viewer = await s.bridge.must('POST', '/v1/tokens', { name: 'viewer', role: 'viewer' })
    assert.equal((await s.bridge.call('GET', '/v1/sessions', undefined, viewer.token)).status, 200)
    problem(await s.bridge.call('POST', '/v1/sessions', { name: 'x' }, viewer.token), 403, 'forbidden')
    assert.equal((await s.bridge.call('DELETE', `/v1/tokens/${viewer.id}`)).status, 204)
    problem(await s.bridge.call('GET', '/v1/sessions', undefined, viewer.token), 401, 'unauthenticated')
    const { data } = await s.bridge.must('GET', '/v1/tokens')
    assert.ok(!JSON.stringify(data).includes(viewer.token))
  })

  test('malformed requests are told what is wrong', async () => {
    const path = `/v1/sessions/${s.session.id}/messages`
    problem(await s.bridge.call('POST', path, { to: '15550109999', type: 'text' }), 400, 'invalid_body')
    problem(await s.bridge.call('POST', path, { to: '15550109999', type: 'text', text: { body: 'x' }, surprise: 1 }), 400, 'invalid_body')
    problem(await s.bridge.call('POST', path, { to: 'not a number', type: 'text', text: { body: 'x' } }), 400, 'invalid_body')
    // Whether a number is on WhatsApp is known only behind the answer.
    const { id } = await s.send('15559999999', 'x')
    const failed = await eventually('it failed', async () => {
      const message = await s.bridge.must('GET', `/v1/messages/${id}`)
      return message.status === 'failed' && message
    }, 10000)
    assert.equal(failed.code, 'recipient_not_found')
    problem(await s.bridge.call('GET', '/v1/events?limit=0'), 400, 'invalid_query')
    problem(await s.bridge.call('GET', '/v1/nowhere'), 404, 'not_found')
    problem(await s.bridge.call('DELETE', '/v1/events'), 405, 'method_not_allowed')
    const form = await s.bridge.call('POST', path, undefined, undefined, { 'content-type': 'text/plain', 'content-length': '0' })
    assert.ok(form.status === 415 || form.status === 400, form.text)
  })
})

describe('idempotency', () => {
  const path = () => `/v1/sessions/${s.session.id}/messages`
  test('the same key gives the same answer and sends once', async () => {
    const to = (await s.sandbox.account('Once')).pn
    const body = { to, type: 'text', text: { body: 'only once' } }
    const headers = { 'idempotency-key': 'key-0001' }
    const first = await s.bridge.call('POST', path(), body, undefined, headers)
    assert.equal(first.status, 202, first.text)
    await s.reached(first.json.id, 'delivered')
    const second = await s.bridge.call('POST', path(), body, undefined, headers)
    assert.equal(second.status, 202)
    assert.deepEqual(second.json, first.json)
    assert.equal(second.headers['idempotent-replayed'], 'true')
    problem(await s.bridge.call('POST', path(), { ...body, text: { body: 'another' } }, undefined, headers), 422, 'idempotency_key_reused')
    await s.restart({ signal: 'SIGKILL' })
    const third = await s.bridge.call('POST', path(), body, undefined, headers)
    assert.deepEqual(third.json, first.json)
    assert.equal((await s.sandbox.inbox(to)).messages.filter(one => one.text === 'only once').length, 1)
    assert.equal((await s.bridge.call('POST', path(), body, undefined, { 'idempotency-key': 'key-0002' })).status, 202)
    await eventually('the second key sends again', async () => (await s.sandbox.inbox(to)).messages.filter(one => one.text === 'only once').length === 2)
  })

  test('a key in flight is refused, and one of many wins', async () => {
    const to = (await s.sandbox.account('Race')).pn
    const body = { to, type: 'text', text: { body: 'raced' } }
    const answers = await Promise.all(Array.from({ length: 12 }, () => s.bridge.call('POST', path(), body, undefined, { 'idempotency-key': 'key-race' })))
    const done = answers.filter(one => one.status === 202)
    assert.ok(done.length >= 1)
    assert.equal(new Set(done.map(one => one.json.id)).size, 1)
    for (const one of answers.filter(one => one.status !== 202)) problem(one, 409, 'idempotency_in_flight')
    await s.reached(done[0].json.id, 'delivered')
    assert.equal((await s.sandbox.inbox(to)).messages.filter(one => one.text === 'raced').length, 1)
  })
})

describe('events', () => {
  test('the log is read by cursor, and waits', async () => {
    const { cursor } = await s.log()
    const empty = await s.bridge.must('GET', `/v1/events?after=${cursor}`)
    assert.deepEqual(empty.data, [])
    assert.equal(empty.next_cursor, cursor)
    const waiting = s.bridge.must('GET', `/v1/events?after=${cursor}&wait=20`)
    await say('waited for')
    const page = await waiting
    assert.ok(page.data.length >= 1)
    await s.receiver.text('waited for')
    const one = await s.bridge.must('GET', `/v1/events?after=${cursor}&limit=1`)
    assert.equal(one.data.length, 1)
    assert.deepEqual(one.data[0], page.data[0])
    const started = Date.now()
    const late = await s.bridge.must('GET', `/v1/events?after=${(await s.log(cursor)).cursor}&wait=1`)
    assert.deepEqual(late.data, [])
    assert.ok(Date.now() - started >= 900, 'it waited')
    problem(await s.bridge.call('GET', '/v1/events?after=nonsense'), 400, 'invalid_cursor')
  })

  test('the stream sends the backlog, what comes, and resumes', async () => {
    const { cursor } = await s.log()
    const open = async after => {
      const socket = new WebSocket(`${s.bridge.base.replace('http', 'ws')}/v1/events/stream?after=${after}`, { headers: { authorization: `Bearer ${s.bridge.token}` } })
      socket.events = []
      socket.on('message', data => { socket.events.push(JSON.parse(data)); socket.emit('more') })
      await once(socket, 'open')
      socket.until = async text => {
        while (!socket.events.some(e => e.data.text?.body === text)) await once(socket, 'more', { signal: AbortSignal.timeout(20000) })
        return socket.events.find(e => e.data.text?.body === text)
      }
      return socket
    }
    await say('in the backlog')
    await s.receiver.text('in the backlog')
    const first = await open(cursor)
    await first.until('in the backlog')
    await say('live')
    const live = await first.until('live')
    first.close()
    await say('while nobody looked')
    await s.receiver.text('while nobody looked')
    const second = await open(`${live.session_id}:${live.seq}`)
    await second.until('while nobody looked')
    assert.equal(second.events.filter(e => e.data.text?.body === 'live').length, 0)
    const { events } = await s.log(cursor)
    assert.deepEqual([...first.events, ...second.events].filter(e => e.type === 'message').map(e => e.id), events.filter(e => e.type === 'message').map(e => e.id))
    second.close()
    const refused = new WebSocket(`${s.bridge.base.replace('http', 'ws')}/v1/events/stream`)
    const [error] = await once(refused, 'error')
    assert.match(error.message, /401/)
    assert.equal((await s.bridge.call('GET', '/v1/events/stream')).status, 426)
  })
})

describe('webhooks', () => {
  test('failed attempts are repeated with the same id and the same bytes, across a restart', async () => {
    let fail = true
    s.receiver.answer = entry => (fail && entry.body.includes('try again') ? 500 : 200)
    await say('try again')
    const attempts = () => s.receiver.requests.filter(one => one.body.includes('try again'))
    await eventually('two attempts', () => attempts().length >= 2, 20000)
    await s.restart({ signal: 'SIGKILL' })
    const before = attempts().length
    await eventually('an attempt after the restart', () => attempts().length > before, 20000)
    fail = false
    await s.receiver.text('try again')
    const all = attempts()
    assert.ok(all.length >= 4)
    assert.equal(new Set(all.map(one => one.id)).size, 1)
    assert.equal(new Set(all.map(one => one.body)).size, 1)
    assert.ok(all.every(one => one.signed))
    for (const one of all) {
      assert.equal(one.headers['content-type'], 'application/json')
      assert.ok(Math.abs(Number(one.headers['webhook-timestamp']) - one.at / 1000) < 5)
    }
  })

  test('a receiver that hangs up is tried again', async () => {
    let count = 0
    s.receiver.answer = entry => (entry.body.includes('hang up') && ++count <= 2 ? null : 200)
    await say('hang up')
    await s.receiver.text('hang up')
    assert.equal(count, 3)
    s.receiver.answer = () => 200
  })

  test('filters, headers, and 410 switches an endpoint off', async () => {
    const picky = await s.hook({ events: ['message'], headers: { 'X-Tenant': 'blue' } })
    const gone = await s.hook({ events: ['message'] })
    gone.answer = () => 410
    await say('for the picky one')
    await picky.text('for the picky one')
    assert.equal(picky.requests[0].headers['x-tenant'], 'blue')
    assert.deepEqual([...new Set(picky.events.map(e => e.type))], ['message'])
    await eventually('the endpoint is disabled', async () => (await s.bridge.must('GET', `/v1/webhooks/${gone.endpoint.id}`)).state === 'disabled', 10000)
    assert.equal((await s.bridge.call('DELETE', `/v1/webhooks/${gone.endpoint.id}`)).status, 204)
    assert.equal((await s.bridge.call('GET', `/v1/webhooks/${gone.endpoint.id}`)).status, 404)
    assert.ok(!(await s.bridge.must('GET', `/v1/webhooks/${picky.endpoint.id}`)).secret)
    for (const url of ['http://10.0.0.1/x', 'ftp://example.org/', 'http://169.254.169.254/latest']) {
      problem(await s.bridge.call('POST', '/v1/webhooks', { url }), 400, 'invalid_body')
    }
  })
})

describe('a start that cannot succeed ends with one clear line', () => {
  const attempt = async ({ change = text => text, args, prepare = () => {}, env }) => {
    const dir = workDir('start')
    const bridge = new Bridge(dir, s.sandbox)
    await prepare(bridge, dir)
    writeFileSync(bridge.config, change(readFileSync(bridge.config, 'utf8'), dir))
    const program = new Program('waslo-bridge', join(binDir, 'waslo-bridge'), args ?? ['serve', '--config', bridge.config], { env, log: join(dir, 'out.log') })
    const timer = setTimeout(() => program.kill(), 20000)
    const { code } = await program.exited
    clearTimeout(timer)
    const lines = program.lines.filter(line => line && !line.startsWith('{'))
    remove(dir)
    return { code, lines }
  }
  const says = ({ code, lines }, wanted, pattern) => {
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0], pattern)
    assert.equal(code, wanted, lines[0])
  }

  test('an unknown key', async () => {
    says(await attempt({ change: text => text + '\n[surprise]\nkey = 1\n' }), 2, /surprise/)
    says(await attempt({ change: text => text.replace('[ops]', '[ops]\nlisen = "x"') }), 2, /ops\.lisen/)
    says(await attempt({ env: { WASLO_HTTP_LISTN: '127.0.0.1:0' } }), 2, /WASLO_HTTP_LISTN/i)
  })
  test('values that cannot be', async () => {
    says(await attempt({ change: text => text.replace(/\[http\]\nlisten = .*/, '[http]\nlisten = "nowhere"') }), 2, /http\.listen/)
    says(await attempt({ change: text => text.replace(/noise_root_key = .*/, 'noise_root_key = "abc"') }), 2, /whatsapp\.noise_root_key/)
    says(await attempt({ change: text => text.replace(/root_key = "file.*/, '') }), 2, /storage\.root_key/)
    says(await attempt({ change: text => text.replace(/ca_file = .*/, 'ca_file = "/nonexistent.pem"') }), 2, /whatsapp\.ca_file/)
    says(await attempt({ change: () => 'this is [ not TOML' }), 2, /./)
    says(await attempt({ args: ['serve', '--config', '/nonexistent.toml'] }), 2, /nonexistent\.toml/)
  })
  test('the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    says(await attempt({ change: text => text.replace(/\[http\]\nlisten = .*/, `[http]\nlisten = "127.0.0.1:${port}"`) }), 1, /http\.listen.*port/)
    says(await attempt({ change: text => text.replace(/\[ops\]\nlisten = .*/, `[ops]\nlisten = "127.0.0.1:${port}"`) }), 1, /ops\.listen/)
    server.close()
  })
  test('another root key than the store was made with', async () => {
    const result = await attempt({
      prepare: async (bridge, dir) => {
        await bridge.start()
        await bridge.stop()
        writeFileSync(join(dir, 'root.key'), randomBytes(32).toString('hex') + '\n')
      }
    })
    says(result, 1, /root key/i)
  })
  test('no root key, and one that everybody may read', async () => {
    says(await attempt({ change: text => text.replace('root.key', 'missing.key') }), 1, /missing\.key/)
    says(await attempt({ prepare: (bridge, dir) => chmodSync(join(dir, 'root.key'), 0o644) }), 1, /root\.key/)
  })
  test('a path that cannot be written', async () => {
    // A file where the directory should be: not even root writes there.
    says(await attempt({ change: (text, dir) => { writeFileSync(join(dir, 'file'), ''); return text.replace(/path = .*/, `path = "${dir}/file/store"`) } }), 1, /file\/store/)
  })
  test('a check of the configuration does not start', async () => {
    const dir = workDir('check')
    const bridge = new Bridge(dir, s.sandbox)
    mkdirSync(dir, { recursive: true })
    const program = new Program('waslo-bridge', join(binDir, 'waslo-bridge'), ['serve', '--check', '--config', bridge.config])
    assert.equal((await program.exited).code, 0, program.tail())
    remove(dir)
  })
})
