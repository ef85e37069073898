// waslo-bridge doctor: well against a sandbox, and one failing case after the other, each with what to do.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { Bridge, binDir, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'

let dir
let sandbox
let bridge
before(async () => {
  dir = workDir('doctor')
  sandbox = await startSandbox(dir)
  bridge = new Bridge(dir, sandbox)
})
after(async () => {
  if (bridge?.program) await bridge.stop()
  await sandbox?.program.stop()
  remove(dir)
})

async function doctor(args = [], config = bridge.config) {
  const child = spawn(join(binDir, 'waslo-bridge'), ['doctor', '--config', config, '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', part => { text += part })
  const [code] = await once(child, 'close')
  const report = JSON.parse(text)
  for (const one of report.checks) {
    assert.match(one.check, /^[a-z_]+$/)
    assert.ok(['ok', 'warn', 'fail'].includes(one.result))
    assert.ok(one.says.length > 5, one.check)
    if (one.result !== 'ok') assert.ok(one.todo.length > 10, `${one.check} says what to do`)
  }
  assert.equal(report.ok, !report.checks.some(one => one.result === 'fail'))
  return { code, report, of: check => report.checks.find(one => one.check === check) ?? assert.fail(`no check ${check} in ${text}`) }
}
// The same configuration with some keys changed.
function config(name, extra) {
  const other = join(dir, name)
  mkdirSync(other, { recursive: true })
  return new Bridge(other, sandbox, { extra }).config
}
const key = extra => ({ storage: { path: bridge.data, root_key: `file:${join(dir, 'root.key')}`, ...extra } })

test('all is well against a sandbox, before the first start and beside a running service', async () => {
  for (let i = 0; i < 2; ++i) {
    const { code, report, of } = await doctor()
    assert.equal(code, 0, JSON.stringify(report))
    for (const check of ['configuration', 'disk_space', 'disk_sync', 'open_files', 'versions', 'reach', 'reach_certificate', 'root_key', 'memory_lock', 'clock_sync', 'listeners', 'clock']) of(check)
    assert.equal(of('reach').result, 'ok')
    assert.equal(of('reach_certificate').result, 'ok')
    if (i === 0) await bridge.start()
    else await bridge.stop()
  }
})

test('lines for people: one each, with a count', async () => {
  const child = spawn(join(binDir, 'waslo-bridge'), ['doctor', '--config', bridge.config, '--offline'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', part => { text += part })
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  const lines = text.trimEnd().split('\n')
  assert.match(lines.pop(), /^\d+ ok, \d+ warnings, 0 failures$/)
  for (const line of lines) assert.match(line, /^(ok {3}|warn ) [a-z_]+: .+/)
  assert.ok(!text.includes('reach'), '--offline leaves the network out')
})

test('a configuration that is not valid: exit code 2 and the key', async () => {
  const path = join(dir, 'bad.toml')
  writeFileSync(path, '[http]\nlisten = "nowhere"\n')
  const { code, of } = await doctor([], path)
  assert.equal(code, 2)
  assert.equal(of('configuration').result, 'fail')
  assert.match(of('configuration').says, /http\.listen/)
})

test('a wrong root key, a missing one, and one that others may read', async () => {
  const other = join(dir, 'other.key')
  writeFileSync(other, randomBytes(32).toString('hex'), { mode: 0o600 })
  const wrong = await doctor(['--offline'], config('wrong', key({ root_key: `file:${other}` })))
  assert.equal(wrong.code, 1)
  assert.equal(wrong.of('root_key').result, 'fail')
  const missing = await doctor(['--offline'], config('missing', key({ root_key: `file:${dir}/none.key` })))
  assert.match(missing.of('root_key').says, /none\.key/)
  assert.equal(missing.code, 1)
  chmodSync(other, 0o644)
  const open = await doctor(['--offline'], config('open', key({ root_key: `file:${other}` })))
  assert.equal(open.of('root_key').result, 'fail')
})

test('a directory that cannot be written', async () => {
  const { code, of } = await doctor(['--offline'], config('unwritable', key({ path: '/proc/nowhere', root_key: `file:${join(dir, 'root.key')}` })))
  assert.equal(code, 1)
  assert.equal(of('disk_space').result, 'fail')
})

test('a name without an address, a closed port, a certificate of nobody, and one who is no TLS server', async () => {
  const target = async (url, more = {}) => doctor([], config(`reach-${Math.abs(url.length * 7 + Object.keys(more).length)}`, { whatsapp: { url, ...more } }))
  const nowhere = await target('wss://no-such-host.invalid/ws/chat')
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.of('reach').says, /no address/)
  const closed = createServer()
  closed.listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address()
  closed.close()
  await once(closed, 'close')
  const refused = await target(`wss://127.0.0.1:${port}/ws/chat`)
  assert.equal(refused.code, 1)
  assert.match(refused.of('reach').says, /no connection/)
  const untrusted = await target(sandbox.chatUrl, { ca_file: '' })
  assert.equal(untrusted.code, 1)
  assert.equal(untrusted.of('reach_certificate').result, 'fail')
  assert.match(untrusted.of('reach_certificate').says, /does not verify/)
  const plain = createServer(socket => { socket.on('error', () => {}); socket.end('hello\r\n') })
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const none = await target(`wss://127.0.0.1:${plain.address().port}/ws/chats`)
  plain.close()
  assert.equal(none.code, 1)
  assert.ok(none.report.checks.some(one => one.check.startsWith('reach') && one.result === 'fail'))
  const unreadable = await target(sandbox.chatUrl, { ca_file: join(dir, 'no-ca.pem') })
  assert.equal(unreadable.code, 1)
  assert.match(unreadable.of('reach_certificate').says, /no-ca\.pem/)
})

test('the clock of the other side: right, and an hour away', async () => {
  const { createServer: http } = await import('node:http')
  for (const [apart, result] of [[0, 'ok'], [3600, 'fail'], [-30, 'warn']]) {
    const server = http((request, response) => response.setHeader('date', new Date(Date.now() - apart * 1000).toUTCString()).end('hello'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { of } = await doctor([], config(`clock${apart}`, { whatsapp: { url: `ws://127.0.0.1:${server.address().port}/ws/chat` } }))
    server.close()
    assert.equal(of('clock').result, result, of('clock').says)
    assert.equal(of('reach_certificate').result, 'warn', 'no TLS')
  }
})

test('our own certificate: key of another, wrong name, self-signed', async () => {
  const { execFileSync } = await import('node:child_process')
  const make = name => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=bridge.example.org',
    '-addext', 'subjectAltName=DNS:bridge.example.org', '-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.pem`)], { stdio: 'ignore' })
  make('one')
  make('two')
  const http = (certificate, tlsKey, publicUrl) => ({ http: { listen: '127.0.0.1:0', tls_certificate: join(dir, certificate), tls_key: join(dir, tlsKey), public_url: publicUrl } })
  const good = await doctor(['--offline'], config('tls-good', http('one.pem', 'one.key', 'https://bridge.example.org')))
  assert.equal(good.code, 0)
  assert.equal(good.of('certificate_name').result, 'ok')
  assert.equal(good.of('certificate_time').result, 'ok')
  assert.equal(good.of('certificate_chain').result, 'warn')
  const mixed = await doctor(['--offline'], config('tls-mixed', http('one.pem', 'two.key', 'https://other.example.org')))
  assert.equal(mixed.code, 1)
  assert.equal(mixed.of('certificate_key').result, 'fail')
  assert.equal(mixed.of('certificate_name').result, 'fail')
  rmSync(join(dir, 'two.pem'))
})
