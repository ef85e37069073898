// Backups of the real service: hot, scheduled, verified, restored; and what happens to linked sessions and to readers of
// the log when time goes back.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binDir, eventually, pause, remove, workDir } from './lib/programs.mjs'
import { stage } from './lib/stage.mjs'

const place = workDir('backups')
test.after(() => remove(place))
const backups = join(place, 'backups')
const keys = join(place, 'keys')
const s = stage('backup', { extra: { backup: { path: backups, keys_path: keys, keep: 100 } } })

// The program's subcommands, on a store that nobody has open.
const command = (...args) => new Promise(resolve => {
  execFile(join(binDir, 'waslo-bridge'), [...args, '--config', s.bridge.config], { timeout: 60000 }, (error, stdout, stderr) => {
    resolve({ code: error ? error.code ?? error.signal : 0, out: stdout, err: stderr })
  })
})
const state = () => s.bridge.must('GET', '/v1/backups', undefined, s.bridge.operatorToken)
async function backUp() {
  await eventually('none runs', async () => !(await state()).running)
  const before = (await state()).data.at(-1)?.id ?? 0
  const begun = await s.bridge.call('POST', '/v1/backups', undefined, s.bridge.operatorToken)
  assert.equal(begun.status, 202)
  const ended = await eventually('the backup ends', async () => {
    const now = await state()
    return !now.running && now
  })
  assert.equal(ended.last_error, null)
  assert.ok(ended.data.at(-1).id > before)
  return ended.data.at(-1)
}
// Puts the latest backup where the store was.
let moved = 0
async function goBack() {
  renameSync(s.bridge.data, `${s.bridge.data}.lost${++moved}`)
  mkdirSync(s.bridge.data)
  const restored = await command('backup', 'restore', '--to', s.bridge.data)
  assert.equal(restored.code, 0, restored.err)
  return restored.out
}
// Every message key the bridge has encrypted with, as the wire shows it: ratchet key and counter. Twice the same, for
// another ciphertext, would be a key used twice.
async function usedKeys() {
  const { stanzas } = await s.sandbox.must('GET', '/stanzas?limit=10000')
  const used = new Map()
  const twice = []
  for (const { direction, stanza } of stanzas) {
    if (direction !== 'in') continue
    for (const [, hex] of stanza.matchAll(/<enc [^>]*type='(?:pk)?msg'[^>]*>([0-9a-f]+)<\/enc>/g)) {
      const inner = /330a2105([0-9a-f]{64})10((?:[89a-f][0-9a-f])*[0-7][0-9a-f])18/.exec(hex)
      if (!inner) continue
      const key = `${inner[1]} ${inner[2]}`
      if (used.has(key) && used.get(key) !== hex) twice.push(key)
      used.set(key, hex)
    }
  }
  return { used, twice }
}

let ana, lateCursor, earlyCursor
test('a backup is made while messages flow, and every record of it opens', { timeout: 90000 }, async () => {
  ana = await s.contact('Ana')
  await ana.sendText(s.jid, 'before the backup')
  await s.receiver.text('before the backup')
  const sent = await s.send(ana.pn, 'answer before the backup')
  await ana.received('answer before the backup')
  await s.reached(sent.id, 'delivered')
  earlyCursor = (await s.log()).cursor
  await backUp()
  for (const n of [1, 2, 3]) {
    await ana.sendText(s.jid, `after the backup ${n}`)
    await s.receiver.text(`after the backup ${n}`)
    await s.send(ana.pn, `answer after the backup ${n}`)
    await ana.received(`answer after the backup ${n}`)
  }
  lateCursor = (await s.log()).cursor
  assert.ok(Number(lateCursor) > Number(earlyCursor))
  const verified = await command('backup', 'verify')
  assert.equal(verified.code, 0, verified.err)
  assert.match(verified.out, /every record opens/)
  assert.match(verified.out, /opened: \d+ rows, [1-9]\d* events, \d+ deliveries, [1-9]\d* marks/)
})

test('an organization\'s token may not, and a busy store is told where to go', async () => {
  assert.equal((await s.bridge.call('GET', '/v1/backups')).status, 403)
  assert.equal((await s.bridge.call('POST', '/v1/backups')).status, 403)
  const offline = await command('backup', 'create')
  assert.equal(offline.code, 1)
  assert.match(offline.err, /POST \/v1\/backups/)
})

test('after a restore the linked session is held back with a reason', { timeout: 90000 }, async () => {
  assert.equal((await s.bridge.stop()).code, 0)
  const out = await goBack()
  assert.match(out, /restored 100 %/)
  assert.match(out, /held back/)
  await s.bridge.start()
  const held = await s.bridge.status(s.session.id)
  assert.equal(held.status, 'FAILED')
  assert.equal(held.reason.code, 'restored_backup')
  assert.match(held.reason.next, /accept_restored_state/)
  assert.equal(held.started, true)
  assert.equal(held.me.pn, s.number)
  // Neither a start nor a restart of the session, of the service, nor a send gets it going.
  for (const verb of ['start', 'restart', 'stop', 'start']) {
    const answer = await s.bridge.must('POST', `/v1/sessions/${s.session.id}/${verb}`)
    assert.equal(answer.reason.code, 'restored_backup', verb)
  }
  const refused = await s.bridge.call('POST', `/v1/sessions/${s.session.id}/messages`, { to: ana.pn, type: 'text', text: { body: 'no' } })
  assert.equal(refused.status, 409)
  assert.equal(refused.json.code, 'not_working')
  await s.bridge.stop()
  await s.bridge.start()
  assert.equal((await s.bridge.status(s.session.id)).reason.code, 'restored_backup')
})

test('a reader of the log is told of the hole', async () => {
  const late = await s.bridge.call('GET', `/v1/events?after=${lateCursor}`)
  assert.equal(late.status, 410)
  assert.equal(late.json.code, 'cursor_expired')
  assert.equal(late.json.gap_from, String(Number(lateCursor) + 1))
  const oldest = late.json.oldest_cursor
  assert.ok(Number(oldest) > Number(lateCursor))
  const next = await s.bridge.must('GET', `/v1/events?after=${oldest}`)
  for (const event of next.data) assert.equal(event.type, 'session.status')
  // Who had not read so far gets what there is, and then is told.
  let cursor = '0'
  const seen = []
  for (;;) {
    const page = await s.bridge.call('GET', `/v1/events?after=${cursor}&limit=1`)
    if (page.status === 410) {
      assert.equal(page.json.oldest_cursor, oldest)
      break
    }
    assert.equal(page.status, 200, page.text)
    assert.ok(page.json.data.length === 1, 'no silent end before the hole')
    seen.push(...page.json.data)
    cursor = page.json.next_cursor
  }
  assert.ok(seen.some(one => one.data.text?.body === 'before the backup'))
  assert.ok(!seen.some(one => one.data.text?.body.startsWith('after the backup')))
})

test('accepting the restored state uses no key twice: everything begins anew', { timeout: 120000 }, async () => {
  s.allow('A8')
  await ana.sendText(s.jid, 'while it was held back')
  const before = (await usedKeys()).used.size
  assert.ok(before >= 8, `${before} message keys were used before`)
  await s.bridge.must('POST', `/v1/sessions/${s.session.id}/start`, { accept_restored_state: true })
  await s.bridge.until(s.session.id, 'WORKING')
  // What came meanwhile was encrypted for a ratchet that is forgotten: it is asked for and comes again.
  await s.receiver.event('the healed message', e => e.type === 'message.healed' && e.data.text?.body === 'while it was held back')
  const sent = await s.send(ana.pn, 'first after the restore')
  await ana.received('first after the restore')
  await s.reached(sent.id, 'delivered')
  await ana.sendText(s.jid, 'and back')
  await s.receiver.text('and back')
  for (const n of [1, 2, 3]) {
    await s.send(ana.pn, `more after the restore ${n}`)
    await ana.received(`more after the restore ${n}`)
  }
  const { used, twice } = await usedKeys()
  assert.ok(used.size >= before + 4, 'new ones were used')
  assert.deepEqual(twice, [], 'message keys used twice')
  await s.restart()
  await ana.sendText(s.jid, 'accepted for good')
  await s.receiver.text('accepted for good')
})

test('or it is logged out and linked again', { timeout: 120000 }, async () => {
  await backUp()
  await s.bridge.stop()
  await goBack()
  await s.bridge.start()
  const id = s.session.id
  assert.equal((await s.bridge.status(id)).reason.code, 'restored_backup')
  const out = await s.bridge.must('POST', `/v1/sessions/${id}/logout`)
  assert.equal(out.status, 'STOPPED')
  assert.equal(out.reason.code, 'logged_out')
  await s.bridge.must('POST', `/v1/sessions/${id}/start`)
  const qr = await s.bridge.qr(id)
  assert.equal((await s.sandbox.scan(qr.code)).status, 200)
  const working = await s.bridge.until(id, 'WORKING')
  s.session = { ...working, id }
  s.number = working.me.pn
  s.jid = `${s.number}@s.whatsapp.net`
  await s.send(ana.pn, 'linked again')
  await ana.received('linked again')
  assert.deepEqual((await usedKeys()).twice, [])
  await s.restart()
})

test('a kill during a backup leaves the earlier ones whole, and the service as it was', { timeout: 180000 }, async () => {
  const kept = (await state()).data.map(one => one.id)
  assert.ok(kept.length > 0)
  for (let round = 0; round < 6; ++round) {
    await s.send(ana.pn, `round ${round}`)
    await s.bridge.call('POST', '/v1/backups', undefined, s.bridge.operatorToken)
    await pause(round * 7)
    await s.bridge.kill()
    const verified = await command('backup', 'verify', '--keys', keys)
    assert.equal(verified.code, 0, verified.err + verified.out)
    await s.bridge.start()
    await s.working()
    const now = await state()
    for (const id of kept) assert.ok(now.data.some(one => one.id === id), `backup ${id} is still there`)
  }
})

test('backups come by themselves, and old ones go', { timeout: 60000 }, async () => {
  await s.bridge.stop()
  s.bridge.env.WASLO_BACKUP_EVERY = '1s'
  s.bridge.env.WASLO_BACKUP_KEEP = '2'
  await s.bridge.start()
  const first = (await state()).data.at(-1).id
  await eventually('three more', async () => {
    const now = await state()
    return now.data.at(-1).id >= first + 3 && now.data.length === 2
  }, 30000)
  await s.bridge.stop()
  delete s.bridge.env.WASLO_BACKUP_EVERY
  const listed = await command('backup', 'list')
  assert.equal(listed.out.trim().split('\n').length, 2)
  const offline = await command('backup', 'create')
  assert.equal(offline.code, 0, offline.err)
  assert.match(offline.out, /^backup \d+ of /)
  await s.bridge.start()
  await s.working()
})

test('a restore refuses what is not empty, and an unfinished one is no store', async () => {
  const target = join(place, 'target')
  mkdirSync(target)
  writeFileSync(join(target, 'precious'), 'x')
  const refused = await command('backup', 'restore', '--to', target)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /not empty/)
  assert.ok(existsSync(join(target, 'precious')))
  const unknown = await command('backup', 'restore', '--to', join(place, 'other'), '--id', '9999')
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /no whole backup 9999/)
  assert.ok(!existsSync(join(place, 'other')))
})
