// The typed client against the real service and the sandbox; its types against the service's own document.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer, request as plainRequest } from 'node:http'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { Bridge as Service, eventually, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { typesOf } from '../tools/client-types.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'bridge/client')
let dir, sandbox, service, Bridge, Problem, client

function compile(files, more) {
  const config = ts.parseJsonConfigFileContent(ts.readConfigFile(join(folder, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, folder)
  const program = ts.createProgram(files, { ...config.options, ...more })
  const emitted = more.noEmit ? [] : program.emit().diagnostics
  return [...ts.getPreEmitDiagnostics(program), ...emitted].map(one => {
    const at = one.file ? `${one.file.fileName}:${one.file.getLineAndCharacterOfPosition(one.start).line + 1}: ` : ''
    return at + ts.flattenDiagnosticMessageText(one.messageText, ' ')
  })
}

before(async () => {
  dir = workDir('client')
  assert.deepEqual(compile([join(folder, 'client.ts')], { outDir: join(dir, 'dist') }), [])
  writeFileSync(join(dir, 'dist/package.json'), '{"type": "module"}')
  ;({ Bridge, Problem } = await import(pathToFileURL(join(dir, 'dist/client.js')).href))
  sandbox = await startSandbox(dir)
  service = await new Service(dir, sandbox).start()
  await service.bootstrap()
  client = new Bridge({ url: service.base + '/', token: service.token })
}, { timeout: 60000 })
after(async () => {
  await service?.stop()
  await sandbox?.program.stop()
  if (dir) remove(dir)
})

// Stands between client and service: `meddle(number, request, response, forward)` decides about each request.
async function between(meddle) {
  const seen = []
  const server = createServer((incoming, outgoing) => {
    const parts = []
    incoming.on('data', part => parts.push(part)).on('end', () => {
      const target = new URL(incoming.url, service.base)
      seen.push({ method: incoming.method, url: incoming.url, key: incoming.headers['idempotency-key'], at: Date.now() })
      const forward = answered => plainRequest(target, { method: incoming.method, headers: incoming.headers }, answer => {
        const body = []
        answer.on('data', part => body.push(part)).on('end', () => answered(answer, Buffer.concat(body)))
      }).end(Buffer.concat(parts))
      const pass = () => forward((answer, body) => outgoing.writeHead(answer.statusCode, answer.headers).end(body))
      meddle(seen.length, incoming, outgoing, { forward, pass })
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  const close = () => new Promise(resolve => { server.closeAllConnections(); server.close(resolve) })
  return { seen, close, client: new Bridge({ url, token: service.token, longestWait: 5000 }) }
}

test('the committed types are those of the running service', async () => {
  const types = await typesOf(await service.must('GET', '/openapi.json'))
  assert.equal(readFileSync(join(folder, 'schema.d.ts'), 'utf8'), types, 'run scripts/client-types')
})

test('the compiler accepts what the service accepts and refuses the rest', () => {
  assert.deepEqual(compile([fileURLToPath(new URL('usage.ts', import.meta.url))], { noEmit: true }), [])
})

test('a caller creates a session, pairs it, sends, and follows the events', async () => {
  const session = await client.post('/v1/sessions', { body: { name: 'front desk', metadata: { shop: '17' } } })
  await client.post('/v1/sessions/{id}/start', { path: { id: session.id } })
  const { code } = await client.get('/v1/sessions/{id}/qr', { path: { id: session.id }, query: { wait: 20 } })
  assert.equal((await sandbox.scan(code)).status < 300, true)
  const working = await eventually('the session works', async () => {
    const one = await client.get('/v1/sessions/{id}', { path: { id: session.id } })
    return one.status === 'WORKING' && one
  })
  const ana = await sandbox.account('Ana')
  const stop = new AbortController()
  const events = client.follow({ after: 'latest', wait: 5, signal: stop.signal })
  const got = []
  const reading = (async () => { for await (const event of events) got.push(event) })()

  const sent = await client.post('/v1/sessions/{id}/messages', { path: { id: session.id }, body: { to: ana.pn, type: 'text', text: { body: 'Thank you!' } }, idempotencyKey: 'order-17' })
  const again = await client.post('/v1/sessions/{id}/messages', { path: { id: session.id }, body: { to: ana.pn, type: 'text', text: { body: 'Thank you!' } }, idempotencyKey: 'order-17' })
  assert.equal(again.message_id, sent.message_id)
  await eventually('it is delivered', async () => (await client.get('/v1/messages/{id}', { path: { id: sent.id } })).status === 'delivered')
  const inbox = JSON.stringify(await sandbox.inbox(ana.pn))
  assert.equal(inbox.split('Thank you!').length, 2, 'once')

  await sandbox.send(ana.pn, `${working.me.pn}@s.whatsapp.net`, 'Is it open?')
  await eventually('the answer arrives', () => got.find(event => event.type === 'message' && event.data.text?.body === 'Is it open?'))
  stop.abort()
  await reading
  assert.equal(new Set(got.map(event => event.id)).size, got.length)
})

test('a follower goes on behind the last event that was handled', async () => {
  const all = []
  const first = client.follow({ wait: 0, limit: 2 })
  for await (const event of first) {
    all.push(event)
    if (all.length === 3) break // the third was begun, not finished
  }
  for await (const event of client.follow({ after: first.cursor, wait: 0 })) {
    assert.deepEqual(event, all[2])
    break
  }
})

test('a list is walked page after page', async () => {
  const names = ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']
  for (const name of names) await client.post('/v1/sessions', { body: { name } })
  const walked = []
  for await (const session of client.each('/v1/sessions', { query: { limit: 2 } })) walked.push(session.name)
  for (const name of names) assert.equal(walked.filter(one => one === name).length, 1)
})

test('errors are problems with code, fields and request id', async () => {
  await assert.rejects(client.post('/v1/sessions', { body: { nam: 'x' } }), error => {
    assert(error instanceof Problem)
    assert.equal(error.status, 400)
    assert.equal(error.code, 'invalid_body')
    assert(error.errors.some(one => one.pointer === '/nam'))
    assert.match(error.requestId, /./)
    return true
  })
  const stranger = new Bridge({ url: service.base, token: async () => 'wab_live_' + 'A'.repeat(36) })
  await assert.rejects(stranger.get('/v1/sessions'), { name: 'Problem', status: 401, code: 'unauthenticated' })
  await assert.rejects(client.get('/v1/sessions/{id}', { path: { id: '../tokens' } }), { status: 404, code: 'not_found' })
})

test('waits as long as the service asks, and not longer than allowed', async () => {
  const gate = await between((number, incoming, outgoing, { pass }) => {
    if (number === 1) outgoing.writeHead(429, { 'retry-after': '1', 'content-type': 'application/problem+json' }).end('{"code":"rate_limited","title":"Too many"}')
    else if (number === 2) outgoing.writeHead(503, { 'retry-after': new Date(Date.now() + 2500).toUTCString() }).end()
    else if (incoming.url === '/v1/webhooks') outgoing.writeHead(429, { 'retry-after': '3600', 'content-type': 'application/problem+json' }).end('{"code":"rate_limited","title":"Too many"}')
    else pass()
  })
  try {
    const list = await gate.client.get('/v1/sessions')
    assert(Array.isArray(list.data))
    assert.equal(gate.seen.length, 3)
    assert(gate.seen[1].at - gate.seen[0].at >= 990)
    assert(gate.seen[2].at - gate.seen[1].at >= 1000)
    await assert.rejects(gate.client.get('/v1/webhooks'), { status: 429, code: 'rate_limited', retryAfter: 3600000 })
    assert.equal(gate.seen.length, 4)
  } finally {
    await gate.close()
  }
})

test('a call whose answer is lost is made again with its key and has one effect', async () => {
  const gate = await between((number, incoming, outgoing, { forward, pass }) => {
    if (number === 1) forward(() => incoming.socket.destroy())
    else pass()
  })
  try {
    const made = await gate.client.post('/v1/sessions', { body: { name: 'answer lost' } })
    assert.equal(gate.seen.length, 2)
    assert.match(gate.seen[0].key, /^[0-9a-f-]{36}$/)
    assert.equal(gate.seen[1].key, gate.seen[0].key)
    const found = []
    for await (const session of client.each('/v1/sessions')) if (session.name === 'answer lost') found.push(session.id)
    assert.deepEqual(found, [made.id])
  } finally {
    await gate.close()
  }
})

test('the contact for finders is served as text', async () => {
  assert.match(await client.get('/.well-known/security.txt'), /^Contact: mailto:security@localhost\r\nExpires: /)
})
