// The inventory of cryptography in docs/security-design.md against the sources: nothing calls a library that is not listed,
// nothing is listed that does not, and what must not be used is used nowhere.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inventory } from '../../scripts/lib/manifest.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const rooms = /^(bridge|session|storage|webhook)\/.*\.(cc|h)$/
const sources = [...inventory(root).files].filter(path => rooms.test(path)).map(path => ({
  path,
  code: readFileSync(join(root, path), 'utf8').replace(/\/\/.*$/gm, '').replace(/"(?:\\.|[^"\\\n])*"/g, '""')
}))
const calls = /\b(crypto_[a-z0-9_]+|sodium_(?!init)\w+|randombytes_\w+|EVP_\w+|SHA\d+|HMAC\w*|RAND_\w+|SSL_CTX_\w+|X509_\w+|PKCS5_\w+)\s*\(/

test('every file that calls cryptography is in the inventory, and no other', () => {
  const text = readFileSync(join(root, 'docs/security-design.md'), 'utf8')
  const part = text.slice(text.indexOf('### Where cryptography is called'))
  const listed = [...part.slice(0, part.indexOf('\n## ')).matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1]))
  const calling = sources.filter(one => calls.test(one.code)).map(one => one.path)
  assert(calling.length > 10)
  assert.deepEqual([...listed].sort(), calling.sort())
})

test('weak algorithms and weak generators are called nowhere', () => {
  const weak = /\b(EVP_(des|rc4|rc2|bf|idea|md4|aes_\d+_ecb)\w*|MD5\w*|RAND_pseudo_bytes|s?rand(_r)?|[dls]rand48)\s*\(|\b(mt19937(_64)?|minstd_rand0?|default_random_engine)\b/
  for (const { path, code } of sources) assert.doesNotMatch(code, weak, path)
  const md5 = sources.filter(one => /\bEVP_md5\b/.test(one.code)).map(one => one.path)
  assert.deepEqual(md5, ['session/client_payload.cc'], 'the one field of the protocol')
  // The WebSocket handshake and one-time codes are defined with SHA-1; neither rests on its collision resistance.
  const sha1 = sources.filter(one => /\b(SHA1|EVP_sha1)\b/.test(one.code)).map(one => one.path)
  assert.deepEqual(sha1.filter(path => !['session/wire/websocket.cc', 'bridge/totp.cc'].includes(path)), [])
})

test('secrets are compared in constant time: no memcmp beside a MAC, a hash or a token', () => {
  const loose = /\b(mac|tag|hash|token|signature|commitment|secret|digest)\w*\s*(==|!=)\s*\w*(mac|tag|hash|token|signature|commitment|secret|digest)\b|\bmemcmp\s*\(/i
  const found = sources.flatMap(({ path, code }) => code.split('\n').map((line, at) => ({ path, at: at + 1, line: line.trim() })).filter(one => loose.test(one.line)))
  // The hashes of the audit log's chain are no secret: they are exported.
  assert.deepEqual(found.filter(one => !one.path.startsWith('bridge/audit')), [])
})
