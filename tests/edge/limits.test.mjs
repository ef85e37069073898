// The limits at the real listener: what is just allowed passes, one more is refused, in the words of the API.
// Limits of time are in tests/bridge/edge_limits_test.cc, where they are short; a clock moves the rates there.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { eventually, remove, workDir } from '../e2e/lib/programs.mjs'
import { edgeBridge, exchange, portOf, Raw, Table } from './lib/edge.mjs'

const dir = workDir('limits')
let bridge, port
before(async () => {
  bridge = await edgeBridge(dir, {
    limits: { token_per_minute: 20, organization_per_minute: 30, address_per_minute: 200, connections: 24, connections_per_address: 8 }
  }).start()
  await bridge.bootstrap()
  port = portOf(bridge.base)
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  remove(dir)
})

// Each row from an address of its own, so that no row uses up another's budget.
let next = 10
const fresh = () => `127.0.1.${next++}`
const head = (target, fields = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n`
const problem = text => {
  try { return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).code } catch { return undefined }
}
const field = (text, name) => new RegExp(`^${name}: (.*)$`, 'im').exec(text.split('\r\n\r\n')[0])?.[1].trim()

test('sizes, counts, connections and rates', { timeout: 120000 }, async () => {
  const table = new Table('limits')
  const row = async (what, bytes, status, code) => {
    const answer = await exchange(port, bytes, { from: fresh() })
    table.row(answer.closed && answer.statuses.length === 1 && answer.statuses[0] === status && (!code || problem(answer.text) === code),
      `${what}: ${answer.statuses} ${problem(answer.text)}`)
  }
  const padded = size => {
    const bare = head('/openapi.json', 'X: \r\n').length
    return head('/openapi.json', `X: ${'a'.repeat(size - bare)}\r\n`)
  }
  assert.equal(padded(16384).length, 16384)
  await row('header of 16 KiB', padded(16384), 200)
  await row('header of 16 KiB + 1', padded(16385), 431, 'headers_too_large')
  await row('header without an end', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20000)}`, 431, 'headers_too_large')
  await row('100 fields', head('/openapi.json', 'X: 1\r\n'.repeat(98)), 200)
  await row('101 fields', head('/openapi.json', 'X: 1\r\n'.repeat(99)), 431, 'headers_too_large')
  await row('target of 8 KiB', head('/' + 'a'.repeat(8191)), 404, 'not_found')
  await row('target of 8 KiB + 1', head('/' + 'a'.repeat(8192)), 414, 'target_too_long')
  await row('target without an end', 'GET /' + 'a'.repeat(20000), 414, 'target_too_long')
  const mega = 1024 * 1024
  const login = (fields, body) => `POST /v1/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n${fields}\r\n\r\n${body}`
  const string = size => `"${'a'.repeat(size - 2)}"`
  await row('body of 1 MiB', login(`Content-Length: ${mega}`, string(mega)), 400, 'invalid_body')
  await row('body of 1 MiB + 1', login(`Content-Length: ${mega + 1}`, ''), 413, 'body_too_large')
  const chunks = size => `${size.toString(16)}\r\n${string(size)}\r\n0\r\n\r\n`
  await row('1 MiB in chunks', login('Transfer-Encoding: chunked', chunks(mega)), 400, 'invalid_body')
  await row('1 MiB + 1 in chunks', login('Transfer-Encoding: chunked', chunks(mega + 1)), 413, 'body_too_large')
  await row('33 query parameters', head('/v1/sessions?' + 'a=1&'.repeat(33)), 401, 'unauthenticated')

  // A thousand requests on one connection; the last answer says that it is the last.
  {
    const raw = new Raw(port, { from: fresh() })
    await raw.opened
    raw.write('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(150))
    await eventually('150 answers', () => (raw.text.match(/HTTP\/1\.1 404/g) ?? []).length === 150)
    table.row(!raw.ended && !/^connection: close/im.test(raw.text), 'a connection goes on after 150 requests')
    raw.destroy()
  }

  // Eight connections of one address, 24 in all.
  {
    const open = async (from) => {
      const raw = new Raw(port, { from })
      await raw.opened
      raw.write('GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n')
      await raw.until(/^HTTP\/1\.1 404[\s\S]*\}/).catch(() => undefined)
      return raw
    }
    const one = fresh()
    const mine = []
    for (let i = 0; i < 8; i++) mine.push(await open(one))
    table.row(mine.every(raw => !raw.ended && raw.text.includes('404')), 'eight connections of an address')
    const ninth = await open(one)
    table.row(ninth.ended && ninth.text === '', 'the ninth is closed')
    const other = fresh()
    const theirs = []
    for (let i = 0; i < 8; i++) theirs.push(await open(other))
    table.row(theirs.every(raw => !raw.ended && raw.text.includes('404')), 'another address has its own eight')
    const rest = []
    const third = fresh()
    for (let i = 0; i < 8; i++) rest.push(await open(third))
    const over = await open(fresh())
    table.row(over.ended && over.text === '', 'the 25th of all is closed')
    mine[0].destroy()
    const again = await eventually('a freed place', async () => {
      const raw = await open(one)
      return raw.text.includes('404') && raw
    })
    table.row(!again.ended, 'a closed one makes room')
    for (const raw of [...mine, ...theirs, ...rest, again]) raw.destroy()
    await eventually('all places are free', async () => (await exchange(port, head('/v1/none'), { from: fresh() })).statuses.length === 1)
  }

  const limited = (answer, policy, quota) => answer.statuses[0] === 429 && problem(answer.text) === 'rate_limited' &&
    Number(field(answer.text, 'Retry-After')) >= 1 &&
    (!policy || (field(answer.text, 'RateLimit-Policy')?.includes(`"${policy}";q=${quota};w=60`) && field(answer.text, 'RateLimit')?.includes(`"${policy}";r=0;t=`)))
  // GCRA: the whole quota at once, then what comes back evenly. The refusal itself is judged: a moment later there may be
  // room for one again.
  let refusal
  const spend = async (count, ask) => {
    for (let i = 0; i < count; i++) {
      const answer = await ask(i)
      if (answer.statuses[0] === 429) {
        refusal = answer
        return i
      }
    }
    return count
  }
  const tokens = {}
  for (const name of ['one', 'two']) tokens[name] = (await bridge.must('POST', `/v1/organizations/${bridge.org}/tokens`, { name, role: 'viewer' }, bridge.operatorToken)).token
  const as = (token, from) => exchange(port, head('/v1/sessions', `Authorization: Bearer ${token}\r\n`), { from })
  const a = fresh(), b = fresh()
  table.row(await spend(20, () => as(tokens.one, a)) === 20, 'a token has its 20')
  table.row(limited(await as(tokens.one, a), 'token', 20), 'its 21st is refused')
  table.row(limited(await as(tokens.one, b), 'token', 20), 'from another address too')
  const left = await spend(20, () => as(tokens.two, b))
  table.row(left >= 9 && left <= 12, `the organization has 30: ${left}`)
  table.row(limited(refusal, 'org', 30), 'then it is refused')
  const c = fresh()
  const spent = await spend(230, () => exchange(port, head('/v1/none'), { from: c }))
  table.row(spent >= 200 && spent <= 215, `an address has 200: ${spent}`)
  table.row(limited(refusal, 'address', 200), 'then it is refused')
  table.row((await exchange(port, head('/v1/none'), { from: fresh() })).statuses[0] === 404, 'its neighbour is not')
  const d = fresh()
  const bad = await spend(230, async () => {
    const answer = await exchange(port, 'BREW / HTTP/1.1\r\n\r\n', { from: d })
    return answer.statuses.length === 0 ? { statuses: [429] } : answer
  })
  table.row(bad >= 200 && bad <= 215, `what is no HTTP counts too: ${bad}`)
  const sign = (from, email) => {
    const body = JSON.stringify({ email, password: 'not the one' })
    return exchange(port, login(`Content-Length: ${body.length}`, body), { from })
  }
  table.row(await spend(5, i => sign(fresh(), 'somebody@example.org')) === 5, 'an identifier has five attempts to sign in')
  table.row(limited(await sign(fresh(), 'somebody@example.org')), 'its sixth is refused')
  table.done()
})
