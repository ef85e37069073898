// Sealing: the running service forgets every key and everything it ever read, and gets its keys again on its own machine.
import test from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { stage } from './lib/stage.mjs'
import { Table } from './lib/table.mjs'
import { binDir, eventually, Program, request } from './lib/programs.mjs'
import { keysOf } from './lib/keyring.mjs'
import { image } from './lib/memory.mjs'

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
const [port, opsPort] = [await freePort(), await freePort()]
const s = stage('seal', { extra: { http: { listen: `127.0.0.1:${port}` }, ops: { listen: `127.0.0.1:${opsPort}` } } })
const unique = () => randomBytes(9).toString('hex')
const canaries = new Map()
const pid = () => s.bridge.program.child.pid

const forms = value => Buffer.isBuffer(value)
  ? [value, Buffer.from(value.toString('hex')), Buffer.from(value.toString('base64').replace(/=+$/, '').slice(0, -1))]
  : [Buffer.from(value), Buffer.from(value, 'utf16le')]
const found = (memory, value) => forms(value).some(form => memory.includes(form))
const command = (...args) => spawnSync(join(binDir, 'waslo-bridge'), args, { encoding: 'utf8' })

test('the search knows the keys of the store, and finds what the running service holds', { timeout: 60000 }, async t => {
  const root = Buffer.from(readFileSync(join(s.dir, 'root.key'), 'utf8').trim(), 'hex')
  const keys = keysOf(s.bridge.data, root)
  assert.ok(Object.keys(keys).length >= 2)
  const name = `Ana-${unique()}`
  const ana = await s.contact(name)
  const text = `incoming-${unique()}`
  await ana.sendText(s.jid, text)
  await s.receiver.text(text)
  for (const [what, key] of Object.entries(keys)) canaries.set(what, key)
  canaries.set('root key', root)
  canaries.set('token of the organization', s.bridge.token)
  canaries.set('token of the operator', s.bridge.operatorToken)
  canaries.set('webhook secret', Buffer.from(s.receiver.endpoint.secret.slice('whsec_'.length), 'base64'))
  canaries.set('number of the session', s.number)
  canaries.set('name of a contact', name)
  canaries.set('LID of a contact', ana.lid)
  canaries.set('text that came in', text)
  canaries.set('path of the webhook', s.receiver.endpoint.url)
  if (process.getuid() !== 0) return t.diagnostic('only root may look into the memory of an undumpable process')
  const memory = image(pid())
  assert.ok(memory.length > 10e6)
  for (const what of [...Object.keys(keys), 'webhook secret', 'number of the session']) {
    assert.ok(found(memory, canaries.get(what)), `${what} is there while it works`)
  }
  assert.ok(!found(memory, root), 'the root key is forgotten after opening')
})

test('keys cannot leave by a core dump or another process of the same user', () => {
  const limits = readFileSync(`/proc/${pid()}/limits`, 'utf8')
  assert.match(limits, /Max core file size +0 +0/)
  // The files of an undumpable process belong to root.
  assert.equal(statSync(`/proc/${pid()}/environ`).uid, 0)
})

test('only an operator seals', async () => {
  assert.equal((await s.bridge.call('POST', '/v1/seal', undefined, null)).status, 401)
  assert.equal((await s.bridge.call('POST', '/v1/seal')).status, 403)
})

test('unseal has nobody to talk to while the service is not sealed', () => {
  const refused = command('unseal', '--config', s.bridge.config)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /no sealed service/)
})

test('a sealed service answers 503 and holds nothing', { timeout: 60000 }, async () => {
  const before = pid()
  const sealing = await s.bridge.call('POST', '/v1/seal', undefined, s.bridge.operatorToken)
  assert.equal(sealing.status, 202)
  assert.equal(sealing.json.status, 'sealing')
  await s.bridge.program.line(/waslo-bridge sealed, listening on/)
  assert.equal(s.bridge.program.code, undefined, 'the process goes on')
  assert.equal(pid(), before)
  for (const [method, path] of [['GET', '/v1/sessions'], ['POST', '/v1/login'], ['GET', '/openapi.json'], ['POST', '/v1/unseal'], ['GET', '/']]) {
    const answer = await s.bridge.call(method, path, method === 'POST' ? {} : undefined)
    assert.equal(answer.status, 503, path)
    assert.equal(answer.json.code, 'sealed')
    assert.match(answer.json.detail, /waslo-bridge unseal/)
    assert.match(answer.headers['content-type'], /^application\/problem\+json/)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  }
  assert.equal((await request(s.bridge.ops + '/healthz')).status, 200)
  const ready = await request(s.bridge.ops + '/readyz')
  assert.equal(ready.status, 503)
  assert.match(ready.text, /sealed/)
  if (process.getuid() !== 0) return
  const table = new Table('canaries in a sealed process')
  const memory = image(pid())
  assert.ok(memory.length > 1e6)
  for (const [what, value] of canaries) table.row(!found(memory, value), what)
  assert.ok(found(memory, Buffer.from('The store is sealed')), 'the search can find what is there')
  table.done()
})

test('unsealed on its machine it goes on where it was', { timeout: 90000 }, async () => {
  const log = readFileSync(s.bridge.log, 'utf8').length
  const mode = statSync(join(s.bridge.data, 'unseal')).mode & 0o777
  assert.equal(mode, 0o600)
  const done = command('unseal', '--config', s.bridge.config)
  assert.equal(done.status, 0, done.stderr)
  assert.match(done.stdout, /unsealed/)
  await eventually('the service to be ready', async () => (await request(s.bridge.ops + '/readyz').catch(() => ({}))).status === 200)
  await eventually('the log says so', () => readFileSync(s.bridge.log, 'utf8').slice(log).includes('service.unsealed'))
  await s.bridge.until(s.session.id, 'WORKING')
  const ben = await s.contact('Ben')
  const text = `after-${unique()}`
  await ben.sendText(s.jid, text)
  await s.receiver.text(text)
  assert.equal(command('unseal', '--config', s.bridge.config).status, 1)
  const audit = await s.bridge.must('GET', '/v1/audit', undefined, s.bridge.operatorToken)
  assert.deepEqual(audit.data.filter(one => one.action === 'store.seal' && one.outcome !== 'refused').map(one => one.outcome).sort(), ['begun', 'done'])
})

test('keys are rotated while the service is stopped, and what it holds is still there', { timeout: 120000 }, async () => {
  assert.equal((await s.bridge.stop()).code, 0)
  for (const args of [['--what', 'kek'], ['--what', 'data']]) {
    const rotated = command('key', 'rotate', '--config', s.bridge.config, ...args)
    assert.equal(rotated.status, 0, rotated.stderr)
  }
  const to = join(s.dir, 'second.key')
  assert.equal(command('key', 'new', '--out', to).status, 0)
  const moved = command('key', 'rotate', '--config', s.bridge.config, '--what', 'root', '--to', `file:${to}`)
  assert.equal(moved.status, 0, moved.stderr)
  assert.match(moved.stdout, /storage\.root_key/)
  const old = command('key', 'rotate', '--config', s.bridge.config, '--what', 'kek')
  assert.equal(old.status, 1, 'the old root key opens nothing')
  s.bridge.env = { ...s.bridge.env, WASLO_STORAGE_ROOT_KEY: `file:${to}` }
  await s.bridge.start()
  await s.bridge.until(s.session.id, 'WORKING')
  const eva = await s.contact('Eva')
  const text = `rotated-${unique()}`
  await eva.sendText(s.jid, text)
  await s.receiver.text(text)
})

test('a service that begins sealed takes a key from the environment of the command alone', { timeout: 90000 }, async () => {
  s.allow('A8') // two starts within a second are the test's doing
  assert.equal((await s.bridge.stop()).code, 0)
  const root = readFileSync(join(s.dir, 'second.key'), 'utf8').trim()
  const env = { WASLO_STORAGE_ROOT_KEY: 'env:WASLO_TEST_ROOT' }
  s.bridge.program = new Program('waslo-bridge', join(binDir, 'waslo-bridge'), ['serve', '--config', s.bridge.config, '--sealed'], { env, log: s.bridge.log })
  await s.bridge.program.line(/waslo-bridge sealed, listening on/)
  const unseal = key => spawnSync(join(binDir, 'waslo-bridge'), ['unseal', '--config', s.bridge.config], { encoding: 'utf8', env: { ...process.env, ...env, WASLO_TEST_ROOT: key } })
  const wrong = unseal(randomBytes(32).toString('hex'))
  assert.equal(wrong.status, 1)
  assert.match(wrong.stderr, /not the root key/)
  assert.equal((await s.bridge.call('GET', '/v1/sessions')).json.code, 'sealed')
  const right = unseal(root)
  assert.equal(right.status, 0, right.stderr)
  await s.bridge.program.line(/waslo-bridge listening on/)
  await s.bridge.until(s.session.id, 'WORKING')
})
