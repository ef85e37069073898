// Rules of the console's sources that no browser test sees.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../bridge/console', import.meta.url))
const files = readdirSync(folder).filter(name => /\.(js|html)$/.test(name))
const source = Object.fromEntries(files.map(name => [name, readFileSync(join(folder, name), 'utf8').replace(/^\s*\/\/.*$/gm, '')]))
const scripts = files.filter(name => name.endsWith('.js'))
const lines = pattern => scripts.flatMap(name => source[name].split('\n').filter(line => pattern.test(line)).map(line => `${name}: ${line.trim()}`))

test('passwords are typed into fields that hide them, and may be pasted and kept', () => {
  const fields = lines(/field\(t\('(account\.(current|new)|password)'\)|name: '(password|current)'/)
  assert(fields.length >= 4)
  for (const one of fields) assert.match(one, /type: 'password'.*autocomplete: '(current|new)-password'/)
  assert.deepEqual(lines(/onpaste|'paste'|oncontextmenu|autocomplete: 'off'.*password/), [])
})

test('the browser keeps nothing but language and colours', () => {
  const keeping = lines(/localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\./)
  assert(keeping.length > 0)
  for (const one of keeping) assert.match(one, /^prefs\.js: /)
  const kept = lines(/\bkeep\('/).map(one => /keep\('(\w+)'/.exec(one)[1])
  assert.deepEqual([...new Set(kept)].sort(), ['language', 'theme'])
})

test('the scripts are modules that lean on no global names', () => {
  for (const name of files.filter(one => one.endsWith('.html'))) {
    for (const [tag] of source[name].matchAll(/<script[^>]*>/g)) assert.match(tag, /type="module"/, name)
    // An element with an id or a name becomes a property of the window.
    assert.deepEqual([...source[name].matchAll(/\s(?:id|name)="([^"]+)"/g)].map(match => match[1]).filter(one => !['app', 'viewport', 'color-scheme', 'pair'].includes(one)), [])
  }
  assert.deepEqual(lines(/\b(window|globalThis|self|document)\.(?!title|body|head|documentElement|activeElement|createElement|createElementNS|getElementById|querySelector|querySelectorAll|addEventListener|removeEventListener|execCommand|hidden|visibilityState|location|matchMedia|paths|fonts)\w/), [])
  assert.deepEqual(lines(/\bvar\s|\bwith\s*\(/), [])
})

test('nothing that came from outside names a property that is written', () => {
  assert.deepEqual(lines(/__proto__|\.prototype\b|Object\.assign|\bfor \((const|let) \w+ in\b/), [])
  // obj[name] = value, where the name may be anything.
  assert.deepEqual(lines(/[\w\])]\[(?!['"\d])[^\]]*\]\s*(=(?!=|>)|\+=|\?\?=|\|\|=)/), [])
})

test('signing out stands in the frame of every view', () => {
  assert.match(source['app.js'], /button\(t\('signout'\), signOut/)
})

test('what was shown is gone after signing out', () => {
  const [, after] = /async function signOut\(\)([^]*?)\n}/.exec(source['app.js'])
  assert.match(after, /\/v1\/logout/)
  assert.match(after, /forgetMe\(\)|location\.(replace|assign|reload)|leave\(\)|boot\(\)|start\(\)/)
  const routes = readdirSync(join(folder, '../routes')).filter(name => name.endsWith('.cc')).map(name => readFileSync(join(folder, '../routes', name), 'utf8')).join('')
  assert.match(routes, /Clear-Site-Data/)
})
