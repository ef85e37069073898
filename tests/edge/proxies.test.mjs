// The bridge behind Caddy and nginx with the files of bridge/examples: addresses, schemes, streams.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Bridge, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { exchange, portOf, Raw, Table } from './lib/edge.mjs'
import { startCaddy, startNginx } from './lib/proxies.mjs'

const dir = workDir('proxies')
let sandbox, bridge, session, port
const proxies = {}
before(async () => {
  sandbox = await startSandbox(dir, { plain: true })
  bridge = await new Bridge(dir, sandbox, { extra: { http: { trusted_proxies: ['127.0.0.1/32'] }, limits: { address_per_minute: 120 } } }).start()
  await bridge.bootstrap()
  port = portOf(bridge.base)
  session = await bridge.must('POST', '/v1/sessions', { name: 'phone' })
  await bridge.must('POST', `/v1/sessions/${session.id}/start`)
  proxies.nginx = await startNginx(dir, port)
  proxies.caddy = await startCaddy(dir, port)
}, { timeout: 90000 })
after(async () => {
  for (const proxy of Object.values(proxies)) await proxy.stop()
  await bridge?.stop()
  await sandbox?.program.stop()
  remove(dir)
})

const get = (path, fields = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${fields}\r\n`
const left = answer => Number(/"address";r=(\d+)/.exec(answer.text)?.[1] ?? NaN)
const login = fields => {
  const body = JSON.stringify({ email: 'nobody@example.org', password: 'not the one' })
  return `POST /v1/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n${fields}\r\n${body}`
}

test('a stranger cannot say who it is, a proxy of ours can', async () => {
  const table = new Table('forwarded addresses')
  // Each direct caller has a budget of its own; what it claims changes nothing.
  const one = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.1\r\n'), { from: '127.0.0.3' }))
  const two = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.2\r\n'), { from: '127.0.0.3' }))
  table.row(two === one - 1, `stranger: ${one} then ${two}`)
  const claimed = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.1\r\n')))
  const again = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.1\r\n')))
  const other = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.2\r\n')))
  table.row(again === claimed - 1 && other === claimed, `proxy: ${claimed}, ${again}, ${other}`)
  // Two fields are one list: the last entry is the one that our proxy saw.
  const split = left(await exchange(port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.77\r\nX-Forwarded-For: 192.0.2.1\r\n')))
  table.row(split === again - 1, `two fields: ${split} after ${again}`)
  table.done()
})

test('a stranger cannot say that it came over TLS', async () => {
  const fields = 'Origin: https://localhost\r\nX-Forwarded-Proto: https\r\n'
  assert.deepEqual((await exchange(port, login(fields), { from: '127.0.0.3' })).statuses, [403])
  assert.deepEqual((await exchange(port, login(fields))).statuses, [401])
  assert.deepEqual((await exchange(port, login(fields + 'X-Forwarded-Proto: http\r\n'))).statuses, [403])
})

for (const name of ['nginx', 'caddy']) {
  test(`${name}: the client's address is its own, whatever it claims`, async () => {
    const { secure, ...proxy } = proxies[name]
    const from = name === 'nginx' ? '127.0.0.11' : '127.0.0.12'
    const one = left(await exchange(proxy.port, get('/openapi.json'), { secure, from }))
    const two = left(await exchange(proxy.port, get('/openapi.json', 'X-Forwarded-For: 192.0.2.9\r\n'), { secure, from }))
    const direct = left(await exchange(port, get('/openapi.json'), { from }))
    assert.deepEqual([two, direct], [one - 1, one - 2])
  })

  test(`${name}: arrived over TLS`, async () => {
    const { secure, ...proxy } = proxies[name]
    assert.deepEqual((await exchange(proxy.port, login('Origin: https://localhost\r\n'), { secure, from: '127.0.0.13' })).statuses, [401])
    const lies = await exchange(proxy.port, login('Origin: http://localhost\r\nX-Forwarded-Proto: http\r\n'), { secure, from: '127.0.0.13' })
    assert.deepEqual(lies.statuses, [403])
  })

  test(`${name}: the security headers come through, and no name of a server`, async () => {
    const { secure, ...proxy } = proxies[name]
    const { text } = await exchange(proxy.port, get('/openapi.json'), { secure })
    for (const header of ['Content-Security-Policy: default-src', 'Strict-Transport-Security: ', 'X-Content-Type-Options: nosniff', 'X-Request-Id: ']) {
      assert.ok(text.toLowerCase().includes(header.toLowerCase()), `${header} in ${text.slice(0, 2000)}`)
    }
    assert.ok(!/^x-powered-by:/im.test(text) && !/caddy|1\.22/i.test(text.split('\r\n\r\n')[0]))
    if (name === 'caddy') assert.ok(!/^server:/im.test(text))
  })

  test(`${name}: server-sent events arrive as they are sent`, async () => {
    const { secure, ...proxy } = proxies[name]
    const raw = new Raw(proxy.port, { secure })
    await raw.opened
    raw.write(get(`/v1/sessions/${session.id}/qr/stream`, `Authorization: Bearer ${bridge.token}\r\nAccept: text/event-stream\r\n`))
    const event = await raw.until(/event: code\r?\ndata: (\{.*\})\r?\n/, 20000)
    assert.ok(JSON.parse(event[1]).code.length > 50)
    assert.ok(!raw.ended, 'and the stream goes on')
    raw.destroy()
  })

  test(`${name}: WebSocket passes both ways`, async () => {
    const { secure, ...proxy } = proxies[name]
    const raw = new Raw(proxy.port, { secure })
    await raw.opened
    raw.write(`GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
      `Authorization: Bearer ${bridge.token}\r\n\r\n`)
    assert.ok(await raw.until(/^HTTP\/1\.1 101[\s\S]*\r\n\r\n/), raw.text)
    assert.ok(await raw.until(/"type":"session\.status"/), raw.text) // of the start above
    // A masked ping; the pong brings its bytes back.
    raw.write('\x89\x84\0\0\0\0ping')
    assert.ok(await raw.until(/\x8a\x04ping/), 'pong')
    raw.write('\x88\x82\0\0\0\0\x03\xe8')
    await raw.closed
    raw.destroy()
  })

  test(`${name}: large bodies and long addresses are refused on the way or behind it`, async () => {
    const { secure, ...proxy } = proxies[name]
    const big = await exchange(proxy.port, `POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(3000000)}`, { secure })
    assert.ok(big.statuses.length === 0 || big.statuses[0] >= 400, big.text.slice(0, 200))
    const long = await exchange(proxy.port, get('/openapi.json?' + 'a'.repeat(9000)), { secure })
    assert.ok(long.statuses[0] >= 400, long.text.slice(0, 200))
  })
}
