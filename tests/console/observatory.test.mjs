// The console's score by the rules of the Mozilla HTTP Observatory, from what the service really answers over TLS.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { remove, request, workDir } from '../e2e/lib/programs.mjs'
import { Table, TlsBridge } from './lib/service.mjs'
import { score } from './lib/observatory.mjs'

const nobody = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }
let dir, bridge, answers

before(async () => {
  dir = workDir('observatory')
  bridge = await new TlsBridge(dir, nobody).start()
  await bridge.bootstrap()
  const page = await bridge.call('GET', '/', undefined, null)
  const asked = await bridge.call('GET', '/', undefined, null, { origin: 'https://elsewhere.example' })
  const login = await bridge.call('POST', '/v1/login', { email: bridge.email, password: bridge.password }, null, { origin: bridge.base, 'sec-fetch-site': 'same-origin' })
  assert.equal(login.status, 200)
  let plain
  try { plain = await request(bridge.base.replace(/^https/, 'http') + '/', { timeout: 5000 }) } catch { /* nobody answers there: as it should be */ }
  if (plain && plain.status >= 400) plain = undefined
  answers = { page, asked, cookies: login.headers['set-cookie'], plain }
})
after(async () => {
  await bridge?.stop()
  if (dir) remove(dir)
})

test('the console scores at least 125', () => {
  const table = new Table('observatory')
  const { findings, score: points } = score(answers)
  for (const one of findings) table.row(one.modifier >= 0, `${one.rule}: ${one.finding} (${one.modifier})`)
  table.row(points >= 125, `score ${points}`)
  table.done()
  assert.ok(points >= 125, JSON.stringify(findings))
})

test('the score falls when a header is taken away', () => {
  const { score: whole } = score(answers)
  for (const name of ['content-security-policy', 'strict-transport-security', 'x-content-type-options', 'referrer-policy']) {
    const headers = { ...answers.page.headers, [name]: undefined }
    assert.ok(score({ ...answers, page: { ...answers.page, headers } }).score < whole, name)
  }
  assert.ok(score({ ...answers, cookies: ['a=b; Path=/'] }).score < whole - 20)
})

test('every file of the console has the same headers, and lasts', async () => {
  const files = [...answers.page.text.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(match => match[1])
  assert.ok(files.length >= 3)
  for (const path of ['/pair', ...files]) {
    const answer = await bridge.call('GET', path, undefined, null)
    assert.equal(answer.status, 200, path)
    for (const name of ['content-security-policy', 'cross-origin-embedder-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy', 'permissions-policy', 'referrer-policy', 'strict-transport-security', 'x-content-type-options', 'x-frame-options', 'x-dns-prefetch-control']) {
      assert.equal(answer.headers[name], answers.page.headers[name], `${name} of ${path}`)
      assert.ok(answer.headers[name], name)
    }
    assert.match(answer.headers['cache-control'], path === '/pair' ? /no-cache/ : /immutable/)
    const again = await bridge.call('GET', path, undefined, null, { 'if-none-match': answer.headers.etag })
    assert.equal(again.status, 304)
    assert.equal(again.bytes.length, 0)
  }
})
