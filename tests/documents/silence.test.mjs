// No telemetry: every address that the service connects or sends to, and every name that it looks up, through a whole life
// with a session, a webhook, calls and a restart. Anything but WhatsApp and the tenant's webhook fails.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Bridge, eventually, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Receiver } from '../e2e/lib/receiver.mjs'

let dir, sandbox, bridge, receiver, list

before(async () => {
  dir = workDir('silence')
  list = join(dir, 'connects')
  const watcher = join(dir, 'watch_connects.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', watcher, fileURLToPath(new URL('lib/watch_connects.c', import.meta.url)), '-ldl'])
  sandbox = await startSandbox(dir)
  receiver = await new Receiver().listen()
  bridge = await new Bridge(dir, sandbox, { env: { LD_PRELOAD: watcher, WATCH_CONNECTS: list } }).start()
  await bridge.bootstrap()
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  await sandbox?.program.stop()
  await receiver?.close()
  if (dir) remove(dir)
})

test('the service talks to WhatsApp and to the webhook of the tenant, and to nobody else', { timeout: 120000 }, async () => {
  const endpoint = await bridge.must('POST', '/v1/webhooks', { url: receiver.url })
  receiver.secrets.push(endpoint.secret)
  const session = await bridge.pair(sandbox, 'Shop')
  const ana = await sandbox.account('Ana')
  await sandbox.send(ana.pn, `${session.me.pn}@s.whatsapp.net`, 'Hi')
  await receiver.text('Hi')
  await bridge.must('POST', `/v1/sessions/${session.id}/messages`, { to: ana.pn, type: 'text', text: { body: 'Hello' } })
  await eventually('the answer arrives', async () => JSON.stringify(await sandbox.inbox(ana.pn)).includes('Hello'))
  await bridge.call('GET', '/v1/nothing')
  await bridge.stop()
  await bridge.start()
  await bridge.until(session.id, 'WORKING')
  await bridge.stop()

  const lines = readFileSync(list, 'utf8').split('\n').filter(Boolean)
  const whatsapp = new URL(sandbox.base)
  const webhook = new URL(receiver.url)
  const allowed = new Set([`connect ${whatsapp.hostname} ${whatsapp.port}`, `connect ${webhook.hostname} ${webhook.port}`])
  assert.deepEqual(lines.filter(line => !allowed.has(line)), [])
  // The watcher saw both: it does not only look away.
  for (const one of allowed) assert(lines.includes(one), one)
})
