// The document against the service: a public linter, an independent judge of every body, and every route with values
// made from the document. The service is the real one, with a sandbox behind it.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Bridge, remove, request, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Table } from './lib/edge.mjs'
import { either, good } from './lib/schemas.mjs'

const seed = Number(process.env.WAB_SEED ?? 20261124)
const runs = Number(process.env.WAB_RUNS ?? 40)
const dir = workDir('openapi')
let sandbox, bridge, document, source, ajv
const operations = []

before(async () => {
  sandbox = await startSandbox(dir, { plain: true })
  bridge = await new Bridge(dir, sandbox, {
    extra: {
      limits: {
        token_per_minute: 10000000, organization_per_minute: 10000000, address_per_minute: 10000000, login_per_minute: 1000,
        sessions_per_organization: 1000000, tokens_per_organization: 100000, webhooks_per_organization: 10000
      }
    }
  }).start()
  await bridge.bootstrap()
  source = (await bridge.call('GET', '/openapi.json')).text
  document = JSON.parse(source)
  ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats(ajv)
  // "90d" is bounded in seconds; the document says so by a keyword of its own.
  ajv.addKeyword({
    keyword: 'x-seconds', type: 'string', schemaType: 'object',
    validate: ({ minimum, maximum }, text) => {
      const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
      const seconds = Number(count) * { s: 1, m: 60, h: 3600, d: 86400 }[unit]
      return seconds >= minimum && seconds <= maximum
    }
  })
  ajv.addSchema(document, 'document')
  for (const [path, methods] of Object.entries(document.paths)) {
    if (path === '/v1/seal') continue // there would be nobody to talk to afterwards
    for (const [method, one] of Object.entries(methods)) operations.push({ path, method: method.toUpperCase(), ...one })
  }
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  await sandbox?.program.stop()
  remove(dir)
})

const compiled = new Map()
function judge(schema) {
  const key = JSON.stringify(schema)
  if (!compiled.has(key)) {
    const absolute = JSON.parse(key.replaceAll('"#/components/', '"document#/components/'))
    compiled.set(key, ajv.compile(absolute))
  }
  return compiled.get(key)
}
const resolve = schema => schema.$ref ? schema.$ref.slice(2).split('/').reduce((at, part) => at[part], document) : schema
// Reports of browsers have types of their own; csp_report_test.cc judges them.
const takesJson = one => one.requestBody?.content['application/json'] !== undefined
const bodySchema = one => takesJson(one) ? resolve(one.requestBody.content['application/json'].schema) : undefined

// The runner shows one message: with what went wrong, not only with what was found.
function check(property, parameters) {
  return fc.assert(property, parameters).catch(error => { throw new Error(`${error.message}\n${error.cause?.message ?? ''}`) })
}

test('the document passes a public linter with its recommended rules', async () => {
  const config = await createConfig({ extends: ['recommended'] })
  const problems = await lintFromString({ source, config })
  assert.deepEqual(problems.map(one => `${one.severity} ${one.ruleId}: ${one.message} at ${one.location[0]?.pointer}`), [])
})

// What the world looks like to a caller; whatever a call destroyed is made again.
const pool = { sessions: [], webhooks: [], messages: [], tokens: [], organizations: [] }
async function furnish() {
  const make = async (kind, count, work) => {
    while (pool[kind].length < count) pool[kind].push(await work())
  }
  await make('organizations', 2, async () => (await bridge.must('POST', '/v1/organizations', { name: 'Passing' }, bridge.operatorToken)).id)
  await make('sessions', 2, async () => (await bridge.must('POST', '/v1/sessions', { name: 'phone' })).id)
  await make('webhooks', 2, async () => (await bridge.must('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/' })).id)
  await make('tokens', 2, async () => (await bridge.must('POST', '/v1/tokens', { name: 'spare', role: 'viewer' })).id)
}
const listOf = path => /^\/v1\/(\w+)\/\{/.exec(path)?.[1]

function send(one, { path, body, token, headers = {} }) {
  return request(bridge.base + path, {
    method: one.method, body, timeout: 30000,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }
  })
}
// Refusals by the meaning of a value, which no schema can see.
const beyond = new Set([
  'needs client_key, and the other way round',
  'is not a PEM chain with its private key',
  'is not whsec_ and base64 of 24 to 64 bytes',
  'is not such as 2026-11-24T10:00:00Z',
  'needs one of event_id, failed: true, dead_letter, or since, until and chat',
  'is not after since',
  'write networks such as 10.0.0.0/8',
  'is not a session of this organization',
  'is not a usable URL', // a host that is none: "http://]"
  'is not the id of a session', // a text of the right length is an id or is none
  'is set by the bridge', // names of headers that are ours
  'must begin with https://' // unless the network is one that the configuration allows
])
const streams = one => Object.values(one.responses).some(answer => answer.content?.['text/event-stream']) || one.responses['101']

test('the service and ajv judge every body the same', { timeout: 600000 }, async t => {
  const table = new Table('bodies judged by ajv')
  await furnish()
  for (const one of operations.filter(takesJson)) {
    const schema = bodySchema(one)
    const valid = judge(schema)
    // Passwords are hashed slowly on purpose.
    const slow = /password|login|setup|accept/.test(one.path)
    let accepted = 0, judged = 0
    await check(fc.asyncProperty(either(schema), async value => {
      const body = JSON.stringify(value)
      const verdict = valid(JSON.parse(body))
      if (slow && verdict && accepted > 3) return
      await furnish()
      const path = one.path.replace(/\{\w+\}/, () => pool[listOf(one.path)]?.[0] ?? 'nothing').replace(/\{\w+\}/g, 'nothing')
      const token = /For operators/.test(one.description ?? '') ? bridge.operatorToken : bridge.token
      const answer = await send(one, { path, body, token })
      if (one.method === 'DELETE' && answer.status < 300) pool[listOf(one.path)]?.shift()
      // Refused before the body was looked at: nothing to compare.
      if ([401, 403, 404, 409, 429, 503].includes(answer.status) && answer.json?.code !== 'invalid_body' && !verdict) return
      judged++
      accepted += verdict
      const refused = answer.json?.code === 'invalid_body' && !answer.json.errors.every(error => beyond.has(error.message))
      assert.equal(!refused, verdict, `${one.operationId} ${body.slice(0, 400)}: ${answer.status} ${answer.text.slice(0, 400)}; ajv: ${JSON.stringify(valid.errors)?.slice(0, 400)}`)
      table.row(true, one.operationId)
      if (refused) {
        assert.ok(answer.json.errors.length > 0 && answer.json.errors.every(error => typeof error.pointer === 'string' && error.message), answer.text)
      }
    }), { seed, numRuns: slow ? 25 : runs })
    t.diagnostic(`${one.operationId}: ${judged} judged, ${accepted} accepted`)
  }
  table.done()
})

test('what parsers disagree on is refused everywhere, with the place', async () => {
  const table = new Table('JSON at every route')
  await furnish()
  const deep = '{"a":'.repeat(64) + '{}' + '}'.repeat(64)
  const cases = [
    ['a key twice', '{"name":"a","name":"b"}', '/name'],
    ['a key twice, escaped', '{"name":"a","\\u006eame":"b"}', '/name'],
    ['65 levels', deep, '/a'.repeat(64)],
    ['bad UTF-8', Buffer.from('{"name":"\xff"}', 'latin1'), '/name'],
    ['an overlong sequence', Buffer.from('{"name":"\xc0\xaf"}', 'latin1'), '/name'],
    ['a huge number', '{"name":1e999}', '/name'],
    ['NaN', '{"name":NaN}', '/name'],
    ['a trailing comma', '{"name":"a",}', '/name'],
    ['two documents', '{"name":"a"}{"name":"b"}', undefined],
    ['nothing', '', ''],
    ['an unknown field', '{"no_such_field":1}', '/no_such_field'],
    ['an unknown field with a slash', '{"no/such~field":1}', '/no~1such~0field'],
    ['an integer of 100 digits', `{"no_such_field":${'9'.repeat(100)}}`, '/no_such_field']
  ]
  for (const one of operations.filter(operation => takesJson(operation) && !/setup|organizations/.test(operation.path))) {
    const path = one.path.replace(/\{\w+\}/, () => pool[listOf(one.path)]?.[0] ?? 'nothing').replace(/\{\w+\}/g, 'nothing')
    for (const [what, body, pointer] of cases) {
      if (body === '' && one.requestBody.required === false) continue
      const answer = await send(one, { path, body, token: bridge.token })
      if ([401, 403].includes(answer.status)) continue // not for this caller
      const named = pointer === undefined || answer.json?.errors?.some(error => error.pointer === pointer)
      table.row(answer.status === 400 && answer.json?.code === 'invalid_body' && named, `${one.operationId}, ${what}: ${answer.status} ${answer.text.slice(0, 300)}`)
    }
  }
  table.done()
})

// Ids that exist, ids of the right form that do not, and what no id looks like.
const ids = kind => fc.oneof(
  { weight: 5, arbitrary: fc.nat(1).map(i => () => pool[kind]?.[i] ?? 'nothing') },
  { weight: 1, arbitrary: fc.constantFrom('ses_00000000000000000000000000', 'nothing', '..%2f', '%00', 'a'.repeat(64), 'a'.repeat(65), '~', '%', 'é', '*').map(id => () => id) }
)
const parameter = one => one.name === 'wait'
  ? fc.constantFrom('0', '1', '61', '-1', 'x', '')
  : fc.oneof({ weight: 6, arbitrary: good(one.schema).map(String) }, { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
    { weight: 1, arbitrary: fc.constantFrom('', '0', '-1', '99999999999999999999', '%00', 'latest', 'AAAA') })
const fallback = { type: 'object', properties: {} }

function callOf(one) {
  const path = one.path.split('/').map(part => part.startsWith('{') ? ids(listOf(one.path)) : fc.constant(() => part))
  const right = /For operators/.test(one.description ?? '') ? 'operator' : 'own'
  const query = (one.parameters ?? []).filter(entry => entry.in === 'query')
  return fc.record({
    path: fc.tuple(...path),
    query: fc.tuple(...query.map(entry => fc.option(parameter(entry), { freq: 2, nil: undefined }))),
    stray: fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom('unknown=1', 'limit=1&limit=2', 'a=%zz', 'a=%ff') }),
    body: fc.oneof(
      { weight: 6, arbitrary: good(bodySchema(one) ?? fallback).map(value => JSON.stringify(value)) },
      { weight: 6, arbitrary: either(bodySchema(one) ?? fallback).map(value => JSON.stringify(value)) },
      { weight: 1, arbitrary: fc.constantFrom('', '{', '[]', 'null', '{"a":1,"a":1}', '\u0000', '[1e999]', '"\\ud800"') }
    ),
    with: fc.boolean(),
    token: fc.oneof({ weight: 8, arbitrary: fc.constant(right) }, { weight: 2, arbitrary: fc.constantFrom('own', 'operator', 'none', 'garbage') }),
    key: fc.option(fc.oneof({ weight: 9, arbitrary: fc.uuid() }, { weight: 2, arbitrary: fc.constantFrom('a', 'b', '', 'x'.repeat(256)) }), { freq: 4, nil: undefined }),
    accept: fc.constantFrom('application/json', '*/*', '*/*', '*/*', 'image/png', 'text/plain', 'image/svg+xml', 'text/event-stream', 'x', 'application/json;q=0'),
    type: fc.oneof({ weight: 15, arbitrary: fc.constantFrom('application/json', 'application/json; charset=utf-8') }, { weight: 1, arbitrary: fc.constant('text/plain') })
  }).map(call => {
    const named = query.map((entry, i) => call.query[i] === undefined ? undefined : `${entry.name}=${encodeURIComponent(call.query[i])}`)
    return { ...call, search: [...named, call.stray].filter(part => part !== undefined).join('&') }
  })
}

async function perform(one, call) {
  await furnish()
  const path = call.path.map(part => part()).join('/').replace(/[^\x21-\x7e]/g, encodeURIComponent) + (call.search ? `?${call.search}` : '')
  const token = { own: bridge.token, operator: bridge.operatorToken, garbage: 'wab_live_nonsense' }[call.token]
  const body = one.requestBody ? call.body : call.with && !['GET', 'DELETE'].includes(one.method) ? '{}' : undefined
  const headers = { accept: call.accept, ...(call.key === undefined ? {} : { 'idempotency-key': call.key }), ...(body === undefined ? {} : { 'content-type': call.type }) }
  if (streams(one) && call.token === 'own') headers.connection = 'close'
  const answer = streams(one) ? await firstOf(one, path, token, headers) : await send(one, { path, body, token, headers })
  return { path, body, answer }
}

// The head of a stream is judged, its events are not waited for.
async function firstOf(one, path, token, headers) {
  const abort = new AbortController()
  const { connection, ...others } = headers
  const answer = await fetch(bridge.base + path, { method: one.method, signal: abort.signal, headers: { ...others, ...(token ? { authorization: `Bearer ${token}` } : {}) } })
  const type = answer.headers.get('content-type') ?? ''
  const text = type.startsWith('text/event-stream') ? '' : await answer.text()
  abort.abort()
  let json
  try { json = JSON.parse(text) } catch { json = undefined }
  return { status: answer.status, headers: Object.fromEntries(answer.headers), text, json }
}

// What the document does not say about this answer.
function fault(one, { path, answer }) {
  if (answer.status >= 500) return `status ${answer.status}`
  const type = (answer.headers['content-type'] ?? '').split(';')[0]
  // An address that a wrong id made into another one has its own answers: 404, 405 or 400.
  const strayed = !/^[\w/?=&%.,:+~*!'()-]*$/.test(path) || path.split('?')[0].split('/').length !== one.path.split('/').length || /\/[^/?]{65,}/.test(path)
  const documented = one.responses[answer.status]
  if (!documented) return strayed && [400, 404, 405].includes(answer.status) ? undefined : `status ${answer.status} is not documented`
  if (answer.status === 204 || !documented.content) return answer.text === '' ? undefined : 'a body that is not documented'
  const media = documented.content[type]
  if (!media) return `type ${type} is not documented for ${answer.status}`
  if (!/[/+]json$/.test(type)) return undefined
  const valid = judge(media.schema)
  if (!valid(answer.json)) return `body: ${JSON.stringify(valid.errors).slice(0, 300)}`
  if (type === 'application/problem+json' && !documented.description.includes(answer.json.code)) return `code ${answer.json.code} is not documented for ${answer.status}`
  return undefined
}

test('every route, with good and broken values, answers as documented and never with 5xx', { timeout: 900000 }, async t => {
  const table = new Table('calls made from the document')
  const seen = {}
  for (const one of operations) {
    if (one.path === '/v1/setup') continue // served once: before() has used it
    const slow = /password|login|accept|totp/.test(one.path)
    await check(fc.asyncProperty(callOf(one), async call => {
      const done = await perform(one, call)
      const why = fault(one, done)
      seen[`${done.answer.status} ${done.answer.json?.code ?? ''}`] = (seen[`${done.answer.status} ${done.answer.json?.code ?? ''}`] ?? 0) + 1
      if (!why) table.row(true, one.operationId)
      assert.equal(why, undefined, `${one.method} ${done.path} as ${call.token} with ${done.body?.slice(0, 300)}: ${done.answer.status} ${done.answer.text.slice(0, 500)}`)
      if (one.method === 'DELETE' && done.answer.status < 300) {
        const id = done.path.split('?')[0].split('/')[3]
        for (const list of Object.values(pool)) if (list.includes(id)) list.splice(list.indexOf(id), 1)
      }
      if (one.operationId === 'sendMessage' && done.answer.json?.id) pool.messages.splice(0, 2, done.answer.json.id)
    }), { seed, numRuns: slow ? Math.min(runs, 20) : runs })
  }
  t.diagnostic(`answers by status: ${JSON.stringify(seen)}`)
  table.done()
})
