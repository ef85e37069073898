// TLS at the real listeners: which versions and suites, certificates that change, clients that prove themselves.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { connect } from 'node:tls'
import { join } from 'node:path'
import { eventually, remove, request, workDir } from '../e2e/lib/programs.mjs'
import { Authority, edgeBridge, exchange, portOf, Raw, Table } from './lib/edge.mjs'

const dir = workDir('tls')
const authority = new Authority(dir, 'edge')
const clients = new Authority(dir, 'clients')
const strangers = new Authority(dir, 'strangers')
const ca = readFileSync(authority.certificate, 'utf8')
const first = authority.issue('first')
const second = authority.issue('second')
const rsa = authority.issue('rsa', { rsa: true })
const files = { tls_certificate: join(dir, 'live.pem'), tls_key: join(dir, 'live.key') }

// As certbot and Kubernetes do it: a complete file takes the place of the other.
function install({ certificate, key }) {
  for (const [from, to] of [[certificate, files.tls_certificate], [key, files.tls_key]]) {
    copyFileSync(from, to + '.new')
    renameSync(to + '.new', to)
  }
}

let bridge, port, ops
before(async () => {
  install(first)
  const opsFiles = authority.issue('ops')
  bridge = await edgeBridge(dir, {
    http: files,
    ops: { tls_certificate: opsFiles.certificate, tls_key: opsFiles.key, client_ca: clients.certificate },
    limits: { connections_per_address: 1000 }
  }).start()
  port = portOf(bridge.base)
  ops = bridge.ops.replace('http:', 'https:')
  bridge.call = (method, path, body, token = bridge.token) => request(bridge.base + path, {
    method, ca, body: body === undefined ? undefined : JSON.stringify(body),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token ? { authorization: `Bearer ${token}` } : {}) }
  })
  await bridge.bootstrap()
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  remove(dir)
})

// What a handshake with these options comes to.
function shake(options) {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ...options })
    const end = result => {
      socket.destroy()
      resolve(result)
    }
    socket.once('secureConnect', () => end({
      protocol: socket.getProtocol(), cipher: socket.getCipher().name, cn: socket.getPeerCertificate().subject.CN,
      ephemeral: socket.getEphemeralKeyInfo()
    }))
    socket.once('error', error => end({ error: error.code ?? error.message }))
    socket.once('close', () => end({ error: 'closed' }))
  })
}
const serving = async () => (await shake({})).cn

const every = execFileSync('openssl', ['ciphers', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'], { encoding: 'utf8' }).trim().split(':').filter(name => !name.startsWith('TLS_'))
const allowed = name => /^ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA\d+|CHACHA20-POLY1305)$/.test(name)

async function scan(table, kind) {
  for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']) {
    const got = await shake({ minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' })
    const modern = version === 'TLSv1.2' || version === 'TLSv1.3'
    table.row(modern ? got.protocol === version : got.error !== undefined, `${kind} ${version}: ${JSON.stringify(got)}`)
  }
  for (const cipher of every) {
    let got
    try {
      got = await shake({ maxVersion: 'TLSv1.2', minVersion: 'TLSv1', ciphers: `${cipher}:@SECLEVEL=0` })
    } catch (error) {
      got = { error: error.code } // not in the library of this client: cannot be spoken
    }
    const good = allowed(cipher) && cipher.startsWith(`ECDHE-${kind}-`)
    table.row(good ? got.cipher === cipher && got.ephemeral.type === 'ECDH' : got.error !== undefined, `${kind} ${cipher}: ${JSON.stringify(got)}`)
  }
  for (const cipher of ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']) {
    const got = await shake({ minVersion: 'TLSv1.3', ciphers: cipher })
    table.row(got.cipher === cipher && got.ephemeral.type === 'ECDH', `${kind} ${cipher}: ${JSON.stringify(got)}`)
  }
}

test('only TLS 1.2 and 1.3, only with forward secrecy', { timeout: 120000 }, async () => {
  const table = new Table('TLS versions and suites')
  assert.ok(every.includes('AES256-GCM-SHA384') && every.includes('ECDHE-RSA-AES128-SHA') && every.length > 50)
  await scan(table, 'ECDSA')
  install(rsa)
  await eventually('the RSA certificate is served', async () => await serving() === 'rsa')
  await scan(table, 'RSA')
  install(first)
  await eventually('the first certificate is served', async () => await serving() === 'first')
  table.done()
})

test('plain HTTP to the TLS port is closed, without an answer and without a redirect', async () => {
  const answer = await exchange(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  assert.ok(answer.closed)
  assert.ok(!/HTTP\/|location/i.test(answer.text), JSON.stringify(answer.text))
})

test('a certificate changes under open connections and running requests', { timeout: 60000 }, async () => {
  // One connection with a request that waits for an event, one that stays open between two requests.
  const waiting = new Raw(port, { secure: { ca, servername: 'localhost' } })
  const idle = new Raw(port, { secure: { ca, servername: 'localhost' } })
  await Promise.all([waiting.opened, idle.opened])
  const ask = path => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bridge.token}\r\n\r\n`
  idle.write(ask('/v1/sessions'))
  await idle.until(/^HTTP\/1\.1 200[\s\S]*"data"/)
  waiting.write(ask('/v1/events?after=latest&wait=4'))
  install(second)
  await eventually('new connections see the new certificate', async () => await serving() === 'second')
  assert.equal(waiting.text, '', 'still waiting')
  assert.ok(!idle.ended)
  idle.write(ask('/v1/webhooks'))
  await idle.until(/HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200[\s\S]*"data"/)
  assert.ok(await waiting.until(/^HTTP\/1\.1 200[\s\S]*"next_cursor"/), 'the running request was answered')
  waiting.write(ask('/v1/sessions'))
  await waiting.until(/HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200/)
  assert.equal(idle.socket.getPeerCertificate().subject.CN, 'first')
  idle.destroy()
  waiting.destroy()
})

test('files that do not fit change nothing and are named in the log', { timeout: 60000 }, async () => {
  const complaints = () => readFileSync(bridge.log, 'utf8').split('\n').filter(line => line.includes('tls.certificate_unusable'))
  const spoilt = [
    ['no certificate', () => writeFileSync(files.tls_certificate, 'half a cert')],
    ['the key of another', () => { copyFileSync(first.certificate, files.tls_certificate); copyFileSync(rsa.key, files.tls_key) }],
    ['an empty key', () => writeFileSync(files.tls_key, '')]
  ]
  for (const [what, spoil] of spoilt) {
    const before = complaints().length
    spoil()
    await eventually(`a line about ${what}`, () => complaints().length > before)
    assert.equal(await serving(), 'second', what)
  }
  const line = JSON.parse(complaints().at(-1))
  assert.equal(line.level, 'warn')
  assert.equal(line.listener, 'http')
  assert.ok(line.error.length > 10 && /before/.test(line.serving))
  install(first)
  await eventually('a good pair is taken up again', async () => await serving() === 'first')
})

const opsCall = options => new Promise(resolve => {
  const req = https.get(ops + '/healthz', { ca, agent: false, ...options }, res => {
    res.resume()
    res.on('end', () => resolve(res.statusCode))
  })
  req.on('error', error => resolve(error.code ?? error.message))
})
const pair = ({ certificate, key }) => ({ cert: readFileSync(certificate), key: readFileSync(key) })

test('the ops listener serves only clients with a certificate of its authority', async () => {
  const table = new Table('client certificates')
  const good = await opsCall(pair(clients.issue('prometheus', { client: true })))
  table.row(good === 200, `of the authority: ${good}`)
  const cases = {
    none: {},
    'of a stranger': pair(strangers.issue('prometheus', { client: true })),
    'of the right name but self-signed': pair({ certificate: strangers.certificate, key: strangers.key }),
    'made for a server': pair(clients.issue('server'))
  }
  for (const [what, options] of Object.entries(cases)) {
    const got = await opsCall(options)
    table.row(got !== 200, `${what}: ${got}`)
  }
  const plain = await exchange(Number(new URL(ops).port), 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
  table.row(plain.closed && !plain.text.includes('HTTP/'), `plain: ${plain.text}`)
  table.done()
})

test('the API listener can ask for client certificates too', { timeout: 60000 }, async () => {
  const own = workDir('mutual')
  const { certificate, key } = authority.issue('api')
  const mutual = await edgeBridge(own, { http: { tls_certificate: certificate, tls_key: key, client_ca: clients.certificate } }).start()
  try {
    const at = options => new Promise(resolve => {
      const req = https.get(mutual.base + '/openapi.json', { ca, agent: false, ...options }, res => { res.resume(); res.on('end', () => resolve(res.statusCode)) })
      req.on('error', error => resolve(error.code ?? error.message))
    })
    assert.equal(await at(pair(clients.issue('service', { client: true }))), 503, 'let in; nobody has set it up yet')
    assert.equal(typeof await at({}), 'string')
    assert.equal(typeof await at(pair(strangers.issue('service', { client: true }))), 'string')
  } finally {
    await mutual.stop()
    remove(own)
  }
})
