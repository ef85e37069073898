// The webhook receivers that integrators start from, in Node and in Python, behind the real service.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Bridge, Program, eventually, remove, request, startSandbox, workDir } from '../e2e/lib/programs.mjs'

const example = name => fileURLToPath(new URL(`../../webhook/examples/${name}`, import.meta.url))
const kinds = {
  node: {
    command: process.execPath,
    file: example('receiver.mjs'),
    kept: inbox => readFileSync(inbox, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line)).map(({ id, event }) => ({ id, event }))
  },
  python: {
    command: process.env.PYTHON ?? 'python3',
    file: example('receiver.py'),
    kept: inbox => {
      const script = 'import json, sqlite3, sys\nprint(json.dumps(sqlite3.connect(sys.argv[1]).execute("SELECT id, body FROM events ORDER BY rowid").fetchall()))'
      return JSON.parse(execFileSync(process.env.PYTHON ?? 'python3', ['-c', script, inbox], { encoding: 'utf8' })).map(([id, body]) => ({ id, event: JSON.parse(body) }))
    }
  }
}
let dir, sandbox, bridge, session

before(async () => {
  dir = workDir('receivers')
  sandbox = await startSandbox(dir)
  bridge = await new Bridge(dir, sandbox, { extra: { webhook: { allow_private_targets: ['127.0.0.0/8'], schedule: ['0s', ...Array(30).fill('1s')] } } }).start()
  await bridge.bootstrap()
  session = await bridge.pair(sandbox, 'Shop')
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  await sandbox?.program.stop()
  if (dir) remove(dir)
})

async function start(kind, place, secrets, port = 0) {
  const inbox = join(place, 'inbox')
  const { command, file, kept } = kinds[kind]
  const program = new Program(kind, command, [file, '--listen', `127.0.0.1:${port}`, '--inbox', inbox], { env: { WEBHOOK_SECRETS: secrets.join(' ') } })
  const [, url] = await program.line(/^receiver listening on (\S+)/)
  return { program, url, kept: () => kept(inbox) }
}

// What the service sends, as an honest or another sender would make it.
function signed(secret, { id = 'evt_' + randomBytes(8).toString('hex'), at = Math.floor(Date.now() / 1000), body = JSON.stringify({ id, type: 'message' }), ...more } = {}) {
  const mac = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${id}.${at}.${body}`).digest('base64')
  return { body, headers: { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${mac}`, ...more } }
}
const newSecret = () => 'whsec_' + randomBytes(32).toString('base64')
const post = (url, { headers, body }, method = 'POST') => request(url, { method, headers, body })

let rows = 0
let passed = 0
for (const kind of Object.keys(kinds)) {
  test(`${kind}: keeps a real event once, through a lost answer, a kill and a captured repeat`, async () => {
    const place = join(dir, kind)
    mkdirSync(place, { recursive: true })
    let receiver
    const seen = []
    // The network between them: remembers each request, and loses the first answer.
    const network = createServer((incoming, outgoing) => {
      const parts = []
      incoming.on('data', part => parts.push(part)).on('end', async () => {
        const one = { headers: incoming.headers, body: Buffer.concat(parts).toString('utf8') }
        seen.push(one)
        try {
          const answer = await post(receiver.url, one)
          one.status = answer.status
          if (one.headers['webhook-id'] === lost) {
            lost = undefined
            outgoing.destroy()
          } else outgoing.writeHead(answer.status).end()
        } catch {
          outgoing.destroy() // the receiver is down
        }
      })
    })
    let lost
    await new Promise(resolve => network.listen(0, '127.0.0.1', resolve))
    const endpoint = await bridge.must('POST', '/v1/webhooks', { url: `http://127.0.0.1:${network.address().port}/hook`, events: ['message'] })
    try {
      receiver = await start(kind, place, [endpoint.secret])
      const ana = await sandbox.account('Ana')
      const arrive = async text => {
        await sandbox.send(ana.pn, `${session.me.pn}@s.whatsapp.net`, text)
        return eventually(`${text} is kept`, () => receiver.kept().find(one => one.event.data.text?.body === text))
      }
      const attempts = id => seen.filter(one => one.headers['webhook-id'] === id)
      const first = await arrive('first')
      assert.equal(first.id, first.event.id)

      // Its answer is lost: the service repeats, the receiver answers again and keeps nothing new.
      const before = seen.length
      network.prependOnceListener('request', incoming => { lost = incoming.headers['webhook-id'] })
      const second = await arrive('second')
      await eventually('it is repeated', () => attempts(second.id).length === 2 && attempts(second.id)[1].status === 204)
      assert.equal(seen.length, before + 2)
      assert.equal(attempts(second.id)[0].body, attempts(second.id)[1].body)

      // Killed while the service delivers; started again on the same inbox.
      await receiver.program.kill()
      await sandbox.send(ana.pn, `${session.me.pn}@s.whatsapp.net`, 'third')
      await eventually('it is tried', () => seen.some(one => one.body.includes('third')))
      receiver = await start(kind, place, [endpoint.secret])
      await eventually('third is kept', () => receiver.kept().some(one => one.event.data.text?.body === 'third'))

      // Somebody who captured a request sends it again, after the restart too.
      const captured = attempts(first.id)[0]
      assert.equal((await post(receiver.url, captured)).status, 204)
      assert.deepEqual(receiver.kept().map(one => one.event.data.text.body), ['first', 'second', 'third'])

      // Around a rotation the receiver knows two secrets; either place will do.
      const other = newSecret()
      for (const [text, secrets] of [['old and new', [endpoint.secret, other]], ['new and old', [other, endpoint.secret]]]) {
        await receiver.program.stop()
        receiver = await start(kind, place, secrets)
        await arrive(text)
      }
      assert.equal(receiver.kept().length, 5)
      assert.deepEqual(attempts(first.id).map(one => one.status), [204])
    } finally {
      await bridge.call('DELETE', `/v1/webhooks/${endpoint.id}`)
      await receiver?.program.stop()
      network.closeAllConnections()
      await new Promise(resolve => network.close(resolve))
    }
  })

  test(`${kind}: refuses what is forged or old, and keeps nothing of it`, async () => {
    const place = join(dir, kind + '-forged')
    mkdirSync(place, { recursive: true })
    const [live, next, other] = [newSecret(), newSecret(), newSecret()]
    const receiver = await start(kind, place, [live, next])
    const now = Math.floor(Date.now() / 1000)
    const honest = signed(live)
    const mac = honest.headers['webhook-signature']
    const alter = (headers, body = honest.body) => ({ body, headers: { ...honest.headers, ...headers } })
    const flipped = 'v1,' + Buffer.from(Buffer.from(mac.slice(3), 'base64').map((byte, at) => at === 31 ? byte ^ 1 : byte)).toString('base64')
    const without = name => ({ body: honest.body, headers: Object.fromEntries(Object.entries(honest.headers).filter(([key]) => key !== name)) })
    const cases = [
      ['signed with another secret', signed(other), 401],
      ['old by 301 seconds', signed(live, { at: now - 301 }), 401],
      ['in the future by 310 seconds', signed(live, { at: now + 310 }), 401],
      ['another body', alter({}, honest.body.replace('message', 'massage')), 401],
      ['a byte more', alter({}, honest.body + ' '), 401],
      ['another id', alter({ 'webhook-id': 'evt_other' }), 401],
      ['another time', alter({ 'webhook-timestamp': String(now - 1) }), 401],
      ['the last bit flipped', alter({ 'webhook-signature': flipped }), 401],
      ['half a signature', alter({ 'webhook-signature': mac.slice(0, 20) }), 401],
      ['an empty signature', alter({ 'webhook-signature': 'v1,' }), 401],
      ['no version', alter({ 'webhook-signature': mac.slice(3) }), 401],
      ['another version', alter({ 'webhook-signature': 'v1a,' + mac.slice(3) }), 401],
      ['no base64', alter({ 'webhook-signature': 'v1,\u00a7\u00a7' }), 401],
      ['a time that is no number', alter({ 'webhook-timestamp': now + '.0' }), 401],
      ['a time in hex', alter({ 'webhook-timestamp': '0x' + now.toString(16) }), 401],
      ['no id', without('webhook-id'), 401],
      ['no time', without('webhook-timestamp'), 401],
      ['no signature', without('webhook-signature'), 401],
      ['signed, but no JSON', signed(live, { body: '{"id":' }), 500]
    ]
    const good = [
      ['honest', honest],
      ['signed with the next secret', signed(next)],
      ['a good signature behind a bad one', (() => { const one = signed(next); one.headers['webhook-signature'] = `${flipped} ${one.headers['webhook-signature']}`; return one })()],
      ['old by 290 seconds', signed(live, { at: now - 290 })]
    ]
    try {
      rows += cases.length + good.length
      for (const [name, one, status] of cases) {
        assert.equal((await post(receiver.url, one)).status, status, name)
        passed += 1
      }
      assert.deepEqual(receiver.kept(), [])
      assert.equal((await post(receiver.url, { headers: {} }, 'GET')).status >= 400, true)
      assert.equal((await post(receiver.url, signed(live, { body: JSON.stringify('x'.repeat(1 << 20)) }))).status, 413)
      for (const [name, one] of good) {
        // Twice at once: one of them is new.
        const answers = await Promise.all([post(receiver.url, one), post(receiver.url, one)])
        assert.deepEqual(answers.map(answer => answer.status), [204, 204], name)
        passed += 1
      }
      assert.deepEqual(receiver.kept().map(one => one.id), good.map(([, one]) => one.headers['webhook-id']))
    } finally {
      await receiver.program.stop()
    }
  })
}

test('a torn last line of the inbox is dropped and its event is taken again', async () => {
  const place = join(dir, 'torn')
  mkdirSync(place, { recursive: true })
  const secret = newSecret()
  const [one, two] = [signed(secret), signed(secret)]
  let receiver = await start('node', place, [secret])
  for (const each of [one, two]) assert.equal((await post(receiver.url, each)).status, 204)
  await receiver.program.stop()
  writeFileSync(join(place, 'inbox'), readFileSync(join(place, 'inbox'), 'utf8').slice(0, -10))
  receiver = await start('node', place, [secret])
  assert.equal((await post(receiver.url, two)).status, 204)
  assert.deepEqual(receiver.kept().map(each => each.id), [one, two].map(each => each.headers['webhook-id']))
  await receiver.program.stop()
})

test('a receiver without a secret does not start', async () => {
  for (const { command, file } of Object.values(kinds)) {
    const program = new Program('receiver', command, [file, '--listen', '127.0.0.1:0'], { env: { WEBHOOK_SECRETS: '' } })
    assert.equal((await program.exited).code, 2)
  }
})

test('every case of the table holds', () => {
  if (process.env.WAB_TABLES_DIR) writeFileSync(join(process.env.WAB_TABLES_DIR, 'webhook receivers.json'), JSON.stringify({ name: 'webhook receivers', rows, passed }))
  assert.equal(passed, rows)
})
