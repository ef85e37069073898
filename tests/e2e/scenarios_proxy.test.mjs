// Deliveries through the operator's proxy: the receiver has a public address that only the proxy can reach.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer as createPlain } from 'node:http'
import { createServer as createTls } from 'node:https'
import { connect, createServer as createTcp } from 'node:net'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bridge, eventually, remove, startSandbox, workDir } from './lib/programs.mjs'
import { plainReceiver } from './lib/receiver.mjs'

const publicAddress = '93.184.216.34'
let dir, sandbox, receiver, direct, http, socks
const bridges = []

// Both kinds of proxy lead to the receiver, whatever public address they are asked for, and say what that was.
async function httpProxy() {
  const asked = []
  const server = createPlain()
  server.on('connect', (request, socket) => {
    asked.push({ target: request.url, authorization: request.headers['proxy-authorization'] })
    const out = connect(receiver.port, '127.0.0.1', () => { socket.write('HTTP/1.1 200 OK\r\n\r\n'); socket.pipe(out).pipe(socket) })
    for (const one of [socket, out]) one.on('error', () => { socket.destroy(); out.destroy() })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { asked, url: `http://user:pass%20word@127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close() } }
}
async function socksProxy() {
  const asked = []
  const sockets = new Set()
  const server = createTcp(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]))
      socket.once('data', hello => {
        asked.push({ target: hello[3] === 1 ? `${[...hello.subarray(4, 8)].join('.')}:${hello.readUInt16BE(8)}` : 'a name' })
        const out = connect(receiver.port, '127.0.0.1', () => { socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])); socket.pipe(out).pipe(socket) })
        out.on('error', () => socket.destroy())
      })
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { asked, url: `socks5://127.0.0.1:${server.address().port}`, close: () => { for (const one of sockets) one.destroy(); server.close() } }
}

before(async () => {
  dir = workDir('proxied')
  const key = join(dir, 'receiver.key')
  const pem = join(dir, 'receiver.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=receiver', '-addext', `subjectAltName=IP:${publicAddress}`, '-keyout', key, '-out', pem], { stdio: 'ignore' })
  receiver = await plainReceiver(() => 200, handler => createTls({ key: readFileSync(key), cert: readFileSync(pem) }, handler))
  direct = await plainReceiver()
  http = await httpProxy()
  socks = await socksProxy()
  sandbox = await startSandbox(dir)
  for (const proxy of [http, socks]) {
    const home = workDir('proxied-bridge')
    const bridge = new Bridge(home, sandbox, { extra: { webhook: { allow_private_targets: ['127.0.0.1/32'], proxy: proxy.url, ca_file: pem } } })
    bridges.push(bridge)
    await bridge.start()
    await bridge.bootstrap()
  }
})
after(async () => {
  for (const bridge of bridges) {
    await bridge.stop()
    remove(bridge.dir)
  }
  await sandbox?.program.stop()
  for (const one of [receiver, direct, http, socks]) await one?.close()
  if (dir) remove(dir)
})

async function delivered(bridge, proxy) {
  const made = await bridge.must('POST', '/v1/webhooks', { url: `https://${publicAddress}/hook`, events: ['session.status'] })
  const before = receiver.requests.length
  await bridge.must('POST', `/v1/sessions/${(await bridge.must('POST', '/v1/sessions', { name: 'one' })).id}/start`)
  await eventually('it arrives', () => receiver.requests.length >= before + 2)
  assert.equal(proxy.asked[0].target, `${publicAddress}:443`, 'the judged address, not a name')
  assert.equal(proxy.asked.length, 1, 'the connection is kept')
  const attempts = (await bridge.must('GET', `/v1/webhooks/${made.id}/attempts`)).data
  assert.ok(attempts.every(one => one.status === 200))
  assert.ok(attempts.some(one => one.reused))
}
async function exempt(bridge, proxy) {
  const before = [direct.requests.length, proxy.asked.length]
  const made = await bridge.must('POST', '/v1/webhooks', { url: direct.url })
  const shown = await bridge.must('POST', `/v1/webhooks/${made.id}/test`)
  assert.equal(shown.delivered, true)
  assert.deepEqual([direct.requests.length, proxy.asked.length], [before[0] + 1, before[1]])
  // Nor does the proxy open a way to what is not public.
  const inside = await bridge.must('POST', '/v1/webhooks', { url: 'https://10.0.0.1/' })
  assert.equal((await bridge.must('POST', `/v1/webhooks/${inside.id}/test`)).attempt.verdict, 'target_not_allowed')
  assert.equal(proxy.asked.length, before[1])
}

test('a delivery goes through an HTTP proxy, with its credentials', async () => {
  await delivered(bridges[0], http)
  assert.equal(http.asked[0].authorization, `Basic ${Buffer.from('user:pass word').toString('base64')}`)
})
test('a delivery goes through a SOCKS5 proxy', () => delivered(bridges[1], socks))
test('a network that the operator named is reached without the HTTP proxy, and what is not public not at all', () => exempt(bridges[0], http))
test('a network that the operator named is reached without the SOCKS5 proxy, and what is not public not at all', () => exempt(bridges[1], socks))

test('a proxy that a session brings is judged like a target of webhooks', async () => {
  const [bridge] = bridges
  const refused = async proxy => {
    const made = await bridge.must('POST', '/v1/sessions', { name: 'proxied', proxy })
    await bridge.must('POST', `/v1/sessions/${made.id}/start`)
    const failed = await bridge.until(made.id, 'FAILED')
    assert.equal(failed.reason.code, 'address_not_allowed', proxy)
    await bridge.call('DELETE', `/v1/sessions/${made.id}`)
  }
  const { port } = new URL(http.url)
  const before = http.asked.length
  for (const proxy of [`http://127.0.0.2:${port}`, `socks5://[::1]:${port}`, 'http://169.254.169.254:80', 'socks5://10.0.0.1:22']) await refused(proxy)
  assert.equal(http.asked.length, before, 'nobody was asked')
  // One in a network that the operator named is used.
  const chat = new URL(sandbox.chatUrl)
  const asked = []
  const way = createPlain()
  way.on('connect', (request, socket) => {
    asked.push(request.url)
    const out = connect(Number(chat.port), chat.hostname, () => { socket.write('HTTP/1.1 200 OK\r\n\r\n'); socket.pipe(out).pipe(socket) })
    for (const one of [socket, out]) one.on('error', () => { socket.destroy(); out.destroy() })
  })
  await new Promise(resolve => way.listen(0, '127.0.0.1', resolve))
  const made = await bridge.must('POST', '/v1/sessions', { name: 'proxied', proxy: `http://127.0.0.1:${way.address().port}` })
  await bridge.must('POST', `/v1/sessions/${made.id}/start`)
  await bridge.until(made.id, 'SCAN_QR_CODE')
  assert.deepEqual(asked, [chat.host])
  await bridge.call('DELETE', `/v1/sessions/${made.id}`)
  way.closeAllConnections()
  way.close()
})
