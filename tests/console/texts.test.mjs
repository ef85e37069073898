// Both languages say everything, and nothing is said that no view asks for.
import test from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../bridge/console/', import.meta.url))
const load = async name => (await import(`data:text/javascript,${encodeURIComponent(readFileSync(folder + name, 'utf8'))}`)).default
const en = await load('en.js')
const ar = await load('ar.js')
const code = readdirSync(folder).filter(name => name.endsWith('.js') && !['en.js', 'ar.js'].includes(name)).map(name => readFileSync(folder + name, 'utf8')).join('\n')
// In English these are the service's own words.
const own = key => !key.startsWith('reason.')

test('English and Arabic have the same texts with the same places for values', () => {
  assert.deepEqual(Object.keys(ar).filter(own).sort(), Object.keys(en).sort())
  const places = text => [...text.matchAll(/\{\w+\}/g)].map(match => match[0]).sort()
  for (const key of Object.keys(en)) assert.deepEqual(places(ar[key]), places(en[key]), key)
  for (const [key, text] of Object.entries(ar)) assert.match(text, /[\u0600-\u06ff]/, `${key} is not in Arabic`)
})

test('every text that a view names exists', () => {
  const named = [...code.matchAll(/\bt\('([^']+)'/g)].map(match => match[1])
  assert.ok(named.length > 100)
  for (const key of named) assert.ok(key in en, key)
  for (const [, prefix] of code.matchAll(/\bt\(`([a-z._]+)\$\{/g)) assert.ok(Object.keys(en).some(key => key.startsWith(prefix)) || prefix.startsWith('reason.'), prefix)
})

test('every reason of a session has its Arabic words', () => {
  const table = readFileSync(fileURLToPath(new URL('../../session/status.cc', import.meta.url)), 'utf8')
  const codes = [...table.matchAll(/k[A-Z]\w+,\s*"([a-z_]+)",\s*"/g)].map(match => match[1])
  assert.ok(codes.length > 20)
  for (const code of codes) assert.ok(ar[`reason.${code}`], code)
})

test('no text becomes markup or script', () => {
  for (const word of ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'document.write', 'eval(', 'new Function', 'srcdoc', 'createPolicy']) {
    assert.equal(code.includes(word), false, word)
  }
  assert.equal(/https?:\/\/(?!www\.w3\.org\/2000\/svg)\w/.test(code.replaceAll("'https://'", '')), false)
})
