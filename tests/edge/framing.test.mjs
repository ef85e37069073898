// Requests with two readings: each is answered 400 and the connection ends; what hides behind it is never a request.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, remove, workDir } from '../e2e/lib/programs.mjs'
import { edgeBridge, exchange, metric, portOf, Table } from './lib/edge.mjs'
import { startNginx } from './lib/proxies.mjs'

const hidden = 'GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nX-Hidden: 1\r\n\r\n'
const host = 'Host: localhost\r\n'
const post = (fields, body = '') => `POST /v1/login HTTP/1.1\r\n${host}Content-Type: application/json\r\n${fields}\r\n${body}`
const get = fields => `GET /openapi.json HTTP/1.1\r\n${host}${fields}\r\n`
const chunked = body => post('Transfer-Encoding: chunked\r\n', body)
const zero = '0\r\n\r\n'

// Design section 5.6. The first 24 are refused by the parser, the others by the policy behind it.
const probes = [
  ['CL and TE', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', zero)],
  ['TE and CL', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', zero)],
  ['differing CLs', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!')],
  ['CL +5', post('Content-Length: +5\r\n', 'hello')],
  ['CL 0x5', post('Content-Length: 0x5\r\n', 'hello')],
  ['CL -1', post('Content-Length: -1\r\n', 'hello')],
  ['CL beyond 64 bits', post('Content-Length: 99999999999999999999999\r\n', 'hello')],
  ['empty CL', post('Content-Length: \r\n', 'hello')],
  ['TE chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', zero)],
  ['space before the colon', get('X-Thing : a\r\n')],
  ['VT in a value', get('X-Thing: a\vb\r\n')],
  ['request line ends in a bare LF', `GET /openapi.json HTTP/1.1\n${host}\r\n`],
  ['LF in a value', get('X-Thing: a\nb\r\n')],
  ['NUL in a value', get('X-Thing: a\0b\r\n')],
  ['CR in a value', get('X-Thing: a\rb\r\n')],
  ['chunk size 0x5', chunked('0x5\r\nhello\r\n' + zero)],
  ['chunk size beyond 64 bits', chunked('FFFFFFFFFFFFFFFFF\r\nhello\r\n' + zero)],
  ['chunk without its CRLF', chunked('5\r\nhello' + zero)],
  ['chunk extension with a bare LF', chunked('5;a\nb\r\nhello\r\n' + zero)],
  ['CL as a trailer', chunked('0\r\nContent-Length: 5\r\n\r\n')],
  ['HTTP/1.2', `GET /openapi.json HTTP/1.2\r\n${host}\r\n`],
  ['HTTP/2.0', `GET /openapi.json HTTP/2.0\r\n${host}\r\n`],
  ['http/1.1 in small letters', `GET /openapi.json http/1.1\r\n${host}\r\n`],
  ['chunk size line ends in a bare LF', chunked('5\nhello\r\n' + zero)],
  ['TE gzip', post('Transfer-Encoding: gzip\r\n')],
  ['TE xchunked', post('Transfer-Encoding: xchunked\r\n', zero)],
  ['TE chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', zero)],
  ['TE gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', zero)],
  ['TE gzip and TE chunked', post('Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n', zero)],
  ['TE on HTTP/1.0', `POST /v1/login HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n${zero}`],
  ['folded field', get('X-Thing: a\r\n b\r\n')],
  ['folded TE', post('Transfer-Encoding:\r\n chunked\r\n', zero)],
  ['equal CLs', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello')],
  ['CL 5, 5', post('Content-Length: 5, 5\r\n', 'hello')],
  ['no Host', 'GET /openapi.json HTTP/1.1\r\nX-Thing: y\r\n\r\n'],
  ['two Hosts', get('Host: localhost\r\n')],
  ['absolute target of another host', `GET http://elsewhere.example/openapi.json HTTP/1.1\r\n${host}\r\n`],
  ['# in the target', `GET /openapi.json#a HTTP/1.1\r\n${host}\r\n`],
  ['unknown method', `BREW /openapi.json HTTP/1.1\r\n${host}\r\n`],
  ['chunk extension', chunked('5;a=b\r\nhello\r\n' + zero)],
  ['body on GET', `GET /openapi.json HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`]
]

const dir = workDir('framing')
let bridge, port
before(async () => {
  bridge = await edgeBridge(dir, { http: { trusted_proxies: ['127.0.0.1/32'] }, limits: { connections_per_address: 1000 } }).start()
  await bridge.bootstrap()
  port = portOf(bridge.base)
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  remove(dir)
})

for (const bytewise of [false, true]) {
  test(`every probe is answered 400 and nothing behind it is a request${bytewise ? ', byte by byte' : ''}`, async () => {
    assert.equal(probes.length, 41)
    const table = new Table(bytewise ? 'smuggling probes byte by byte' : 'smuggling probes')
    const handled = await metric(bridge.ops, 'waslo_http_requests_total')
    await Promise.all(probes.map(async ([what, bytes]) => {
      const answer = await exchange(port, bytes + hidden, { bytewise })
      const good = answer.closed && answer.statuses.length === 1 && answer.statuses[0] === 400 &&
        answer.text.includes('"code":"bad_request"') && /connection: close/i.test(answer.text)
      table.row(good, `${what}: ${answer.closed ? 'closed' : 'still open'}, ${answer.statuses} ${answer.text.slice(0, 120)}`)
    }))
    assert.equal(await metric(bridge.ops, 'waslo_http_requests_total'), handled, 'no probe reached the routes')
    table.done()
  })
}

test('the same bytes without the fault are a request', async () => {
  const well = get('X-Thing: a\r\n') + post('Content-Length: 2\r\n', '{}') + chunked('2\r\n{}\r\n' + zero) + get('Connection: close\r\n')
  const answer = await exchange(port, well)
  assert.deepEqual(answer.statuses, [200, 400, 400, 200]) // the two logins lack their fields
  assert.ok(answer.text.includes('"code":"invalid_body"'))
})

test('behind nginx the bridge sees no request that nginx did not see', async () => {
  const nginx = await startNginx(dir, port)
  try {
    const table = new Table('smuggling probes behind nginx')
    const log = join(nginx.dir, 'access.log')
    const forwarded = () => readFileSync(log, 'utf8').split('\n').filter(line => line.includes('"upstream":"127')).length
    for (const [what, bytes] of probes) {
      const handled = await metric(bridge.ops, 'waslo_http_requests_total')
      const before = forwarded()
      const answer = await exchange(nginx.port, bytes + hidden + get('Connection: close\r\n'), { ms: 4000, secure: nginx.secure })
      const seen = await metric(bridge.ops, 'waslo_http_requests_total') - handled
      await eventually('the log of nginx', () => forwarded() - before >= seen, 3000).catch(() => undefined)
      const told = forwarded() - before
      table.row(seen <= told && answer.statuses.length > 0, `${what}: nginx forwarded ${told}, the bridge handled ${seen}: ${answer.statuses}`)
    }
    table.done()
  } finally {
    await nginx.stop()
  }
})
