// scripts/sessions and its names, against the real programs: progress, summary, JSON, exit codes.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { Bridge, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))
let dir
let sandbox
let bridge
let tokenFile
const ids = []

before(async () => {
  dir = workDir('sessions')
  sandbox = await startSandbox(dir)
  bridge = await new Bridge(dir, sandbox).start()
  await bridge.bootstrap()
  tokenFile = join(dir, 'token')
  writeFileSync(tokenFile, `${bridge.token}\n`)
  for (const name of ['front desk', 'workshop']) ids.push((await bridge.pair(sandbox, name)).id)
  ids.push((await bridge.must('POST', '/v1/sessions', { name: 'never paired' })).id)
}, { timeout: 120000 })
after(async () => {
  await bridge?.stop()
  await sandbox?.program.stop()
  remove(dir)
})

async function script(name, args, env = {}) {
  const child = spawn(join(scripts, name), args, { env: { ...process.env, WASLO_API: bridge.base, WASLO_TOKEN: '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const out = { text: '', error: '' }
  child.stdout.on('data', part => { out.text += part })
  child.stderr.on('data', part => { out.error += part })
  const [code] = await once(child, 'close')
  return { code, ...out, lines: out.text.trimEnd().split('\n'), json: () => JSON.parse(out.text) }
}
const own = (name, ...args) => script(name, [...args, '--token-file', tokenFile])

test('list shows each session, its state and why, and counts them', async () => {
  const { code, lines } = await own('list-sessions')
  assert.equal(code, 0)
  assert.equal(lines.length, 4)
  assert.equal(lines.pop(), '3 sessions: 2 WORKING, 1 STOPPED')
  for (const id of ids) assert.ok(lines.some(line => line.startsWith(`${id}  `)), id)
  assert.ok(lines.some(line => /WORKING\s+\+\d{6,15} "front desk"/.test(line)), lines.join('\n'))
  const { json } = await own('sessions', 'list', '--json', '--status', 'WORKING')
  assert.equal(json().total, 3)
  assert.deepEqual(json().by_status, { WORKING: 2, STOPPED: 1 })
  assert.deepEqual(json().sessions.map(one => one.id).sort(), ids.slice(0, 2).sort())
})

test('restart shows progress and a summary, waits until all work, and leaves stopped ones alone', async () => {
  const { code, lines } = await own('restart-sessions', '--all')
  assert.equal(code, 0, lines.join('\n'))
  assert.match(lines[0], /^\[1\/2\] ses_\S+ "(front desk|workshop)" WORKING -> WORKING in [\d.]+ s$/)
  assert.match(lines[1], /^\[2\/2\] /)
  assert.equal(lines[2], '2 of 2 sessions work again')
  assert.equal((await bridge.status(ids[2])).status, 'STOPPED')
  const { json, code: again } = await own('restart-sessions', '--json', ids[0])
  assert.equal(again, 0)
  assert.equal(json().restarted, 1)
  assert.equal(json().sessions[0].after, 'WORKING')
})

test('stop and start by name; --check tells when something is wished and does not work', async () => {
  assert.equal((await own('stop-sessions', ids[1])).lines.at(-1), '1 of 1 sessions are stopped')
  assert.equal((await bridge.status(ids[1])).status, 'STOPPED')
  assert.equal((await own('list-sessions', '--check')).code, 0, 'a stopped one is not wished for')
  assert.equal((await own('start-sessions', ids[1])).lines.at(-1), '1 of 1 sessions work')
  const waiting = own('start-sessions', '--limit', '20', ids[2])
  const { code, lines } = await waiting
  assert.equal(code, 1, 'it waits for a phone')
  assert.match(lines[0], /STOPPED -> (SCAN_QR_CODE|STARTING).*(scan the code|connecting)/)
  assert.equal(lines.at(-1), '0 of 1 sessions work, 1 do not')
  assert.equal((await own('list-sessions', '--check')).code, 1)
  await bridge.must('POST', `/v1/sessions/${ids[2]}/stop`)
})

test('logout needs to be meant, unlinks, and says so', async () => {
  const careless = await own('logout-sessions', '--all')
  assert.equal(careless.code, 2)
  assert.match(careless.error, /--yes/)
  assert.equal((await bridge.status(ids[0])).status, 'WORKING')
  const { code, json } = await own('logout-sessions', '--json', ids[0])
  assert.equal(code, 0)
  assert.deepEqual([json().action, json().done, json().failed], ['logout', 1, 0])
  const after = await bridge.status(ids[0])
  assert.equal(after.status, 'STOPPED')
  assert.equal(after.reason.code, 'logged_out')
  assert.equal((await own('logout-sessions', '--all', '--yes')).code, 0)
  assert.equal((await bridge.status(ids[1])).reason.code, 'logged_out')
})

test('what goes wrong is told with the right exit code', async () => {
  const unknown = await own('restart-sessions', ids[0].replace(/.$/, last => (last === 'a' ? 'b' : 'a')), '--limit', '3')
  assert.equal(unknown.code, 1)
  assert.match(unknown.lines.at(-1), /0 of 1/)
  const wrong = await script('list-sessions', ['--limit', '3'], { WASLO_TOKEN: `${bridge.token.slice(0, -3)}xyz` })
  assert.equal(wrong.code, 1)
  assert.match(wrong.error, /^list-sessions: .+/)
  assert.ok(!wrong.error.includes(bridge.token.slice(4, 30)), 'the token is not printed')
  const operator = await script('list-sessions', [], { WASLO_TOKEN: bridge.operatorToken })
  assert.equal(operator.code, 1, 'an operator has no organization')
  for (const [name, args] of [['restart-sessions', []], ['sessions', ['dance']], ['list-sessions', ['--nonsense']], ['stop-sessions', ['--all', ids[0]]],
    ['list-sessions', [ids[0]]], ['list-sessions', ['--api', 'nowhere']], ['list-sessions', ['--token-file', '/nowhere']], ['restart-sessions', ['--parallel', '0', ids[0]]]]) {
    const { code, error } = await script(name, args, { WASLO_TOKEN: 'wab_x' })
    assert.equal(code, 2, `${name} ${args}`)
    assert.match(error, /--help/)
  }
  assert.equal((await script('list-sessions', [])).code, 2, 'no token')
  for (const name of ['sessions', 'list-sessions', 'start-sessions', 'stop-sessions', 'restart-sessions', 'logout-sessions']) {
    const { code, text } = await script(name, ['--help'])
    assert.equal(code, 0)
    assert.match(text, /^Usage: [\s\S]*Exit codes: 0 /)
  }
})
