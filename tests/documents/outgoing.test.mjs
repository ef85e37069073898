// Whatever leaves the process is judged: every place that dials is in this list, with who judges its address.
import test from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
// File -> what must stand in it; "operator" when the address comes from the configuration or the command line alone.
const places = {
  'webhook/http_client.cc': 'rules.judge = judge_;', // targets of tenants
  'bridge/google_outside.cc': 'rules.judge = judge_;', // the provider's document names addresses for keys and tokens
  'bridge/session_context.cc': 'if (!proxy_.empty()) rules.proxy_judge = world_.tenant_proxies;', // proxies of tenants
  'bridge/checkup_reach.cc': 'operator', // doctor: whatsapp.url and whatsapp.proxy
  'bridge/commands/sessions.cc': 'operator' // the command line's own --url
}
// All of them take the one judge.
const judges = { 'bridge/service.cc': 'judge_of(config)', 'bridge/google_outside.cc': 'judge_of(config)', 'bridge/deliveries.cc': 'judge_of(config)' }

const code = path => readFileSync(join(root, path), 'utf8').replace(/\/\/.*$/gm, '')
const below = folder => readdirSync(join(root, folder), { withFileTypes: true }).flatMap(one => one.isDirectory() ? below(`${folder}/${one.name}`) : [`${folder}/${one.name}`])
const sources = ['bridge', 'session', 'storage', 'webhook'].flatMap(below).filter(path => /\.(cc|h)$/.test(path))

test('every place that dials is known, and judges what others may name', () => {
  const dialling = sources.filter(path => /\bdial\(std::move\(|dialer[_.\w]*\.dial\(/.test(code(path)))
  assert.deepEqual(dialling.sort(), Object.keys(places).sort())
  for (const [path, judge] of Object.entries(places)) if (judge !== 'operator') assert.ok(code(path).includes(judge), `${path}: ${judge}`)
  for (const [path, judge] of Object.entries(judges)) assert.ok(code(path).includes(judge), `${path}: ${judge}`)
})

// Apart from the socket file on which an operator of this machine unseals.
test('sockets are opened by the dialer alone', () => {
  const opening = sources.filter(path => /async_connect\(|[\s(=!]::connect\(|\bconnect\(AF_|asio::connect|socket\(AF_INET|curl_|popen\(/.test(code(path)))
  assert.deepEqual(opening.filter(path => !/^(session\/wire\/(tcp_stream|websocket|dial)|bridge\/unseal_socket)\.cc$/.test(path)), [])
})
