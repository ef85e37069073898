// Nothing that belongs to a tenant or opens a door may lie in the clear in the data directory.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { stage } from './lib/stage.mjs'
import { image } from './lib/memory.mjs'
import { Table } from './lib/table.mjs'
import { Receiver } from './lib/receiver.mjs'
import { binDir, eventually, remove, workDir } from './lib/programs.mjs'

const unique = () => randomBytes(9).toString('hex')
const copies = workDir('canary-copies') // backups and their keys
test.after(() => remove(copies))
const s = stage('canaries', { session: false, extra: { backup: { path: join(copies, 'backups'), keys_path: join(copies, 'keys') } } })
const canaries = new Map() // what it is -> text or bytes

// Every form in which a program might have written it.
function forms(value) {
  const raw = Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8')
  const out = [['raw', raw], ['hex', Buffer.from(raw.toString('hex'))], ['HEX', Buffer.from(raw.toString('hex').toUpperCase())]]
  // Base64 of something longer that holds it: three alignments, without the ends that depend on the neighbours.
  for (const shift of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(shift), raw]).toString('base64').replace(/=+$/, '')
    const inner = encoded.slice(shift === 0 ? 0 : 4, encoded.length - (encoded.length % 4 === 0 && (raw.length + shift) % 3 === 0 ? 0 : 2))
    if (inner.length >= 8) {
      out.push([`base64+${shift}`, Buffer.from(inner)], [`base64url+${shift}`, Buffer.from(inner.replaceAll('+', '-').replaceAll('/', '_'))])
    }
  }
  out.push(['utf16', Buffer.from(raw.toString('latin1'), 'utf16le')], ['backwards', Buffer.from(raw).reverse()])
  return out
}

function files(dir) {
  return readdirSync(dir).flatMap(name => {
    const path = join(dir, name)
    return statSync(path).isDirectory() ? files(path) : [path]
  })
}

// A file that is renamed into its place while it is looked for: everything is listed and read once more,
// so that it is found under one of its names.
function search(dir, wanted) {
  for (let look = 1; ; ++look) {
    try {
      return searchOnce(dir, wanted)
    } catch (error) {
      if (error.code !== 'ENOENT' || look === 10) throw error
    }
  }
}

function searchOnce(dir, wanted) {
  const found = []
  let bytes = 0
  for (const path of files(dir)) {
    const content = readFileSync(path)
    bytes += content.length
    for (const [what, value] of wanted) {
      for (const [form, needle] of forms(value)) {
        if (content.includes(needle)) found.push(`${what} (${form}) in ${path.slice(dir.length + 1)}`)
      }
      if (path.includes(value.toString('latin1'))) found.push(`${what} in the name ${path}`)
    }
  }
  return { found, bytes }
}

test('a tenant lives through everything that leaves traces', { timeout: 90000 }, async () => {
  const plant = (what, value) => {
    assert.ok(value && value.length >= 8, `${what} is long enough to be found only when it is there`)
    canaries.set(what, value)
    return value
  }
  const { bridge } = s
  const receiver = await new Receiver().listen()
  s.receivers.push(receiver)
  const path = plant('path of the webhook', `hook-${unique()}`)
  const header = plant('value of an endpoint header', `header-${unique()}`)
  const endpoint = await bridge.must('POST', '/v1/webhooks', { url: receiver.url.replace('/hook', `/${path}`), headers: { 'X-Secret': header } })
  receiver.secrets.push(endpoint.secret)
  plant('webhook secret as written', endpoint.secret.slice('whsec_'.length))
  plant('webhook secret, bytes', Buffer.from(endpoint.secret.slice('whsec_'.length), 'base64'))
  plant('token of the organization', bridge.token.slice('wab_'.length))
  plant('token of the operator', bridge.operatorToken.slice('wab_'.length))
  plant('password of the operator', bridge.password)
  plant('e-mail of the operator', bridge.email)
  plant('metadata of a session', `metadata-${unique()}`)
  const session = await bridge.must('POST', '/v1/sessions', { name: plant('name of a session', `session-${unique()}`), metadata: { crm: canaries.get('metadata of a session') } })
  await bridge.must('POST', `/v1/sessions/${session.id}/start`)
  const qr = await bridge.qr(session.id)
  const [, noise, identity, adv] = qr.code.split('#').at(-1).split(',')
  for (const [what, value] of [['noise key', noise], ['identity key', identity], ['adv secret', adv]]) {
    plant(`${what}, bytes`, Buffer.from(value, 'base64'))
    plant(`${what} as written`, value)
  }
  assert.equal((await s.sandbox.scan(qr.code)).status, 200)
  const working = await bridge.until(session.id, 'WORKING')
  s.session = { ...working, id: session.id }
  plant('own number', working.me.pn)
  plant('own LID', working.me.lid)

  const ana = await s.contact(plant('name of a contact', `Ana-${unique()}`))
  plant('number of a contact', ana.pn)
  plant('LID of a contact', ana.lid)
  const phone = await s.sandbox.account(plant('name of a phone', `Paula-${unique()}`))
  const subject = plant('subject of a group', `subject-${unique()}`)
  const { id: group } = await s.sandbox.must('POST', '/groups', { creator: phone.pn, subject, participants: [working.me.pn, ana.pn] })
  plant('id of a group', group.split('@')[0])
  const incoming = plant('text that came in', `incoming-${unique()}`)
  await ana.sendText(`${working.me.pn}@s.whatsapp.net`, incoming)
  await receiver.text(incoming)
  const outgoing = plant('text that went out', `outgoing-${unique()}`)
  const sent = await s.send(ana.pn, outgoing, {}, { 'idempotency-key': plant('idempotency key', `key-${unique()}`) })
  await ana.received(outgoing)
  await s.reached(sent.id, 'delivered')
  const toGroup = plant('text to a group', `group-${unique()}`)
  await s.send(group, toGroup)
  await ana.received(toGroup)
  const fromGroup = plant('text from a group', `group-${unique()}`)
  await ana.sendText(group, fromGroup)
  await receiver.text(fromGroup)
  await plantMany(plant, ana, phone, group, receiver)
  // An undelivered event, and a message that waits: what is kept longest.
  receiver.answer = () => 500
  const stuck = plant('text of an undelivered event', `stuck-${unique()}`)
  await ana.sendText(`${working.me.pn}@s.whatsapp.net`, stuck)
  await s.receiver.text(stuck)
  await ana.close()
  const waiting = await s.send(ana.pn, plant('text that waits', `waiting-${unique()}`))
  await s.reached(waiting.id, 'sent')
  plant('root key', Buffer.from(readFileSync(join(s.dir, 'root.key'), 'utf8').trim(), 'hex'))
  assert.ok(canaries.size >= 200, `${canaries.size} canaries`)
})

// Every kind of data that the API takes or the protocol brings, several of each.
async function plantMany(plant, ana, phone, group, receiver) {
  const { bridge } = s
  const word = (what, n) => plant(`${what} ${n}`, `${what.replaceAll(' ', '-')}-${unique()}`)
  receiver.answer = () => 200
  for (let n = 1; n <= 16; ++n) {
    await bridge.must('POST', '/v1/sessions', { name: word('name of another session', n), metadata: { [word('key of metadata', n)]: word('value of metadata', n) } })
  }
  for (let n = 1; n <= 8; ++n) {
    const hook = await bridge.must('POST', '/v1/webhooks', {
      url: receiver.url.replace('/hook', `/${word('path of another webhook', n)}?q=${word('query of a webhook', n)}`),
      events: ['nothing.of.this'], headers: { 'X-Key': word('header of a webhook', n) }
    })
    receiver.secrets.push(hook.secret)
    plant(`secret of another webhook ${n}`, hook.secret.slice('whsec_'.length))
    if (n <= 4) {
      const rotated = await bridge.must('POST', `/v1/webhooks/${hook.id}/rotate-secret`)
      if (rotated.secret) plant(`rotated secret ${n}`, rotated.secret.slice('whsec_'.length))
    }
  }
  for (let n = 1; n <= 10; ++n) {
    const made = await bridge.must('POST', '/v1/tokens', { name: word('name of a token', n), role: 'viewer' })
    plant(`another token ${n}`, made.token.slice('wab_'.length))
  }
  for (let n = 1; n <= 5; ++n) {
    await bridge.must('POST', '/v1/organizations', { name: word('name of an organization', n), metadata: { crm: word('metadata of an organization', n) } }, bridge.operatorToken)
  }
  for (let n = 1; n <= 5; ++n) {
    const invited = await bridge.call('POST', '/v1/invitations', { email: plant(`address of an invited ${n}`, `${unique()}@example.org`), role: 'viewer' })
    assert.ok(invited.status < 300, invited.text)
    const secret = invited.json.token ?? invited.json.url ?? ''
    if (secret.length >= 16) plant(`invitation ${n}`, secret.slice(-30))
  }
  for (let n = 1; n <= 10; ++n) {
    const incoming = word('another text that came in', n)
    await ana.sendText(`${s.session.me.pn}@s.whatsapp.net`, incoming)
    await s.receiver.text(incoming)
    const outgoing = word('another text that went out', n)
    await s.send(ana.pn, outgoing, {}, { 'idempotency-key': word('another idempotency key', n) })
    await ana.received(outgoing)
  }
  for (let n = 1; n <= 5; ++n) {
    const toGroup = word('another text to a group', n)
    await s.send(group, toGroup)
    await ana.received(toGroup)
    const { id } = await s.sandbox.must('POST', '/groups', { creator: phone.pn, subject: word('subject of another group', n), participants: [s.session.me.pn, ana.pn] })
    plant(`id of another group ${n}`, id.split('@')[0])
    const inGroup = word('text in another group', n)
    await s.send(id, inGroup)
    await ana.received(inGroup)
  }
  receiver.answer = () => 500
}

// What search() finds, and a row for each canary and place.
const table = new Table('canaries')
function clean(place, dir) {
  const { found, bytes } = search(dir, canaries)
  for (const what of canaries.keys()) {
    const here = found.filter(one => one.startsWith(`${what} (`) || one.startsWith(`${what} in `))
    table.row(here.length === 0, `${place}: ${here}`)
  }
  assert.deepEqual(found, [], place)
  return bytes
}

test('the search can find what is there, in each of its forms', () => {
  const control = `control-${unique()}`
  const path = join(s.bridge.data, 'control')
  for (const [form, bytes] of forms(control)) {
    writeFileSync(path, Buffer.concat([randomBytes(37), bytes, randomBytes(41)]))
    assert.ok(search(s.bridge.data, [['control', control]]).found.some(one => one.startsWith(`control (${form})`)), form)
  }
  writeFileSync(path, JSON.stringify({ blob: Buffer.from(`ab${control}cd`).toString('base64') }))
  assert.equal(search(s.bridge.data, [['control', control]]).found.length > 0, true)
  unlinkSync(path)
  assert.deepEqual(search(s.bridge.data, [['control', control]]).found, [])
})

test('none of the canaries is in the data directory while the bridge runs', () => {
  assert.ok(readdirSync(join(s.bridge.data, 'db')).some(name => name.endsWith('.log')), 'there is a write-ahead log')
  assert.ok(clean('running', s.bridge.data) > 10000, 'there is data')
})

test('nor in a backup, its keys, or what is put back from them', { timeout: 90000 }, async () => {
  const state = () => s.bridge.must('GET', '/v1/backups', undefined, s.bridge.operatorToken)
  await eventually('none runs', async () => !(await state()).running)
  const before = (await state()).data.length
  assert.equal((await s.bridge.call('POST', '/v1/backups', undefined, s.bridge.operatorToken)).status, 202)
  await eventually('the backup is whole', async () => (await state()).data.length > before)
  assert.ok(existsSync(join(copies, 'keys', 'waslo-keys')))
  assert.ok(clean('backups and keys', copies) > 10000, 'there is a backup')
  const restored = join(copies, 'restored')
  const run = (...args) => execFileSync(join(binDir, 'waslo-bridge'), ['backup', ...args, '--config', s.bridge.config], { encoding: 'utf8' })
  const said = run('verify') + run('restore', '--to', restored)
  assert.match(said, /every record opens/)
  clean('restored', restored)
  const talk = join(copies, 'talk')
  writeFileSync(talk, said)
  assert.deepEqual(search(copies, canaries).found, [], 'nor in what the commands print')
})

test('nor after a kill, nor after an orderly end', { timeout: 90000 }, async () => {
  await s.bridge.kill()
  clean('killed', s.bridge.data)
  await s.bridge.start()
  await s.working()
  assert.equal((await s.bridge.stop()).code, 0)
  clean('stopped', s.bridge.data)
  await s.bridge.start()
  await s.working()
})

test('nor is any text, secret, token or password in the log', () => {
  const log = readFileSync(s.bridge.log)
  const found = []
  for (const [what, value] of canaries) {
    for (const [form, needle] of forms(value)) if (log.includes(needle)) found.push(`${what} (${form})`)
  }
  for (const what of canaries.keys()) table.row(!found.some(one => one.startsWith(`${what} (`)), `log: ${what}`)
  assert.deepEqual(found, [])
  table.done()
})

test('nor in the memory of the process, once it is sealed', { timeout: 60000 }, async t => {
  const { pid } = s.bridge.program.child
  const sealing = await s.bridge.call('POST', '/v1/seal', undefined, s.bridge.operatorToken)
  assert.equal(sealing.status, 202)
  await s.bridge.program.line(/waslo-bridge sealed, listening on/)
  if (process.getuid() !== 0) return t.diagnostic('only root may look into the memory of an undumpable process')
  const memory = image(pid)
  assert.ok(memory.includes('The store is sealed'), 'the search can find what is there')
  const table = new Table('planted data in a sealed process')
  // The sandbox numbers its people as examples in the documentation do.
  const program = readFileSync(`/proc/${pid}/exe`)
  for (const [what, value] of canaries) {
    for (const [form, needle] of forms(value)) {
      if (!program.includes(needle)) table.row(!memory.includes(needle), `${what} (${form})`)
    }
  }
  table.done()
})
