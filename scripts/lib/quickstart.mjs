// What scripts/quickstart does once everything is built. See its --help.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { request, Sandbox } from '../../tests/e2e/lib/programs.mjs'

const args = process.argv.slice(2)
const once = args.includes('--once')
const real = args.includes('--real')
const dir = args[args.indexOf('--dir') + 1]
const bin = process.env.WAB_BIN_DIR
const here = fileURLToPath(new URL('.', import.meta.url))
const stateFile = join(dir, 'running.json')
const out = text => process.stdout.write(text + '\n')
const title = text => out(`\n== ${text}`)
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

// ---- programs that outlive this one -----------------------------------------------------------

const commandOf = pid => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean).join(' ')
  } catch {
    return ''
  }
}
// A number may have been given to another process meanwhile: the command line must still be ours.
const lives = one => commandOf(one.pid) === one.command

const running = []
function start(name, path, parameters, env = {}) {
  const log = join(dir, `${name}.log`)
  const file = openSync(log, 'w')
  const child = spawn(path, parameters, { detached: true, stdio: ['ignore', file, file], env: { ...process.env, ...env } })
  closeSync(file)
  child.unref()
  const one = { name, pid: child.pid, log }
  child.on('error', error => { one.ended = error.message })
  child.on('exit', (code, signal) => { one.ended = `ended with ${code ?? signal}` })
  running.push(one)
  return one
}
function remember() {
  for (const one of running) one.command = commandOf(one.pid)
  writeFileSync(stateFile, JSON.stringify(running, null, 2) + '\n')
}
async function line(one, pattern, ms = 30000) {
  const end = Date.now() + ms
  for (;;) {
    const text = readFileSync(one.log, 'utf8')
    const match = pattern.exec(text)
    if (match) return match
    if (one.ended || Date.now() > end) throw new Error(`${one.name} ${one.ended ?? 'says nothing'}:\n${text.split('\n').slice(-15).join('\n')}`)
    await pause(30)
  }
}
// The last started first; 15 s each for an orderly end.
async function stopAll(list) {
  for (const one of [...list].reverse()) {
    if (!lives(one)) continue
    try { process.kill(one.pid, 'SIGTERM') } catch { continue }
    const end = Date.now() + 15000
    while (lives(one) && Date.now() < end) await pause(50)
    if (lives(one)) process.kill(one.pid, 'SIGKILL')
    out(`${one.name} (process ${one.pid}) has ended`)
  }
  rmSync(stateFile, { force: true })
}
const earlier = () => existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : []

// The wished port, or any free one.
async function address(port) {
  const free = await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
  return `127.0.0.1:${free && !once ? port : 0}`
}

// ---- the tour -----------------------------------------------------------------------------------

function secretFile(name, text) {
  const path = join(dir, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const owner = 'owner@example.org'
let base
let token
async function api(method, path, body, as = token, headers = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const answer = await request(base + path, {
    method,
    body: text,
    headers: { ...(as ? { authorization: `Bearer ${as}` } : {}), ...(text ? { 'content-type': 'application/json' } : {}), ...headers }
  })
  if (answer.status >= 300) throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${answer.text}`), { answer })
  return answer.json ?? answer.text
}

async function startSandbox() {
  const program = start('sandbox', join(bin, 'waslo-sandbox'), ['--listen', await address(8443)])
  const [, url] = await line(program, /waslo-sandbox listening on (\S+)/)
  const sandbox = new Sandbox(program, url, false)
  await sandbox.learnTrust(dir)
  out(`sandbox    ${url}`)
  return sandbox
}

async function startReceiver() {
  const secrets = join(dir, 'webhook-secrets')
  const requests = join(dir, 'webhooks.jsonl')
  for (const file of [secrets, requests]) writeFileSync(file, '', { mode: 0o600 })
  const program = start('receiver', process.execPath, [join(here, 'receiver.mjs'), requests, secrets])
  const [, url] = await line(program, /receiver listening on (\S+)/)
  out(`receiver   ${url}`)
  return { url, secrets, requests }
}

async function startBridge(sandbox) {
  const key = join(dir, 'root.key')
  if (!existsSync(key)) secretFile('root.key', randomBytes(32).toString('hex') + '\n')
  const config = join(dir, 'bridge.toml')
  const toml = value => JSON.stringify(value)
  writeFileSync(config, [
    '[http]', `listen = ${toml(await address(8080))}`,
    '[ops]', `listen = ${toml(await address(9090))}`,
    '[storage]', `path = ${toml(join(dir, 'data'))}`, `root_key = ${toml('file:' + key)}`,
    ...(sandbox ? ['[whatsapp]', `url = ${toml(sandbox.chatUrl)}`, `noise_root_key = ${toml(sandbox.noiseRootKey)}`, `ca_file = ${toml(sandbox.caFile)}`] : []),
    '# The receiver of this tour is on this machine; without this line only public addresses are called.',
    '[webhook]', 'allow_private_targets = ["127.0.0.0/8"]', ''
  ].join('\n'))
  mkdirSync(join(dir, 'data'), { recursive: true, mode: 0o700 })
  const program = start('bridge', join(bin, 'waslo-bridge'), ['serve', '--config', config])
  const [, url, ops] = await line(program, /waslo-bridge listening on (\S+), ops on (\S+)/)
  base = url
  out(`bridge     ${url}, health and metrics on http://${ops}`)
  return { program, url, ops: `http://${ops}`, config }
}

async function makePeople(bridge, receiver) {
  title('Operator, organization, token, endpoint, session')
  const [, setup_token] = await line(bridge.program, /setup token[^:]*: (\S+)/)
  const password = randomBytes(12).toString('base64url')
  secretFile('operator-password', `ops@example.org ${password}\n`)
  const operator = await api('POST', '/v1/setup', { setup_token, email: 'ops@example.org', password }, null)
  secretFile('operator-token', operator.token + '\n')
  out('operator      ops@example.org, made with the setup token that the bridge printed at its first start')
  const org = await api('POST', '/v1/organizations', { name: 'Quickstart' }, operator.token)
  token = (await api('POST', `/v1/organizations/${org.id}/tokens`, { name: 'quickstart', role: 'admin' }, operator.token)).token
  secretFile('token', token + '\n')
  out(`organization  ${org.id}`)
  // Their owner comes by an invitation, as everybody does; the console is theirs.
  const invited = await api('POST', `/v1/organizations/${org.id}/invitations`, { email: owner, role: 'owner' }, operator.token)
  const chosen = randomBytes(12).toString('base64url')
  await api('POST', '/v1/invitations/accept', { token: invited.token, password: chosen }, null)
  secretFile('console-password', chosen + '\n')
  out(`owner         ${owner}, invited by the operator`)
  const endpoint = await api('POST', '/v1/webhooks', { url: receiver.url, events: ['message', 'message.*'] })
  writeFileSync(receiver.secrets, endpoint.secret + '\n')
  out(`endpoint      ${endpoint.id} -> ${receiver.url}`)
  const session = await api('POST', '/v1/sessions', { name: 'quickstart' })
  writeFileSync(join(dir, 'session'), session.id + '\n')
  out(`session       ${session.id}`)
  return session.id
}

const qr = async (session, accept, wait) => api('GET', `/v1/sessions/${session}/qr?wait=${wait}`, undefined, token, { accept })

async function showReason(session) {
  const { status, reason } = await api('GET', `/v1/sessions/${session}`)
  return `the session is ${status}: ${reason?.message ?? ''} ${reason?.next ?? ''}`
}

async function working(session, ms) {
  const end = Date.now() + ms
  for (;;) {
    const state = await api('GET', `/v1/sessions/${session}`)
    if (state.status === 'WORKING') return state
    if (state.status === 'FAILED' || Date.now() > end) throw new Error(await showReason(session))
    await pause(100)
  }
}

async function pairVirtually(session, sandbox) {
  title('Pairing: the code that a phone would scan')
  await api('POST', `/v1/sessions/${session}/start`)
  out(await qr(session, 'text/plain', 20))
  const { code } = await qr(session, 'application/json', 5)
  const scanned = await sandbox.scan(code)
  if (scanned.status >= 300) throw new Error(`the virtual phone could not scan: ${scanned.status} ${scanned.text}`)
  const state = await working(session, 60000)
  out(`scanned by the virtual phone: the session is ${state.status} as ${state.me.pn}`)
  return state.me.pn
}

// Each code is valid for a short time only: the next one is shown as it comes.
async function pairReally(session) {
  title('Pairing: on the phone open WhatsApp, Linked devices, Link a device, and scan')
  await api('POST', `/v1/sessions/${session}/start`)
  let shown
  for (;;) {
    const state = await api('GET', `/v1/sessions/${session}`)
    if (state.status === 'WORKING') return out(`linked: the session is WORKING as ${state.me.pn}`)
    if (state.status === 'FAILED') throw new Error(await showReason(session))
    if (state.status === 'SCAN_QR_CODE') {
      const { code } = await qr(session, 'application/json', 5).catch(() => ({ code: shown }))
      if (code !== shown) out(await qr(session, 'text/plain', 5).catch(() => ''))
      shown = code
    }
    await pause(500)
  }
}

async function webhook(receiver, text, ms = 30000) {
  const end = Date.now() + ms
  for (;;) {
    const all = readFileSync(receiver.requests, 'utf8').split('\n').filter(Boolean).map(one => JSON.parse(one))
    const found = all.find(one => JSON.parse(one.body).data?.text?.body === text)
    if (found) return found
    if (Date.now() > end) throw new Error(`no webhook with "${text}" arrived; ${all.length} others did`)
    await pause(50)
  }
}

async function talk(session, number, sandbox, receiver) {
  title('A contact writes')
  const { Contact, textOf } = await import('../../tests/e2e/lib/contact.mjs')
  const contact = new Contact(sandbox, 'Ana')
  try {
    await contact.start()
    out(`Ana is ${contact.pn}, on Baileys, a client that shares no code with the bridge`)
    const hello = 'Hello from Ana!'
    await contact.sendText(`${number}@s.whatsapp.net`, hello)
    out(`Ana sent "${hello}" to ${number}`)

    title('The webhook that arrived')
    const arrived = await webhook(receiver, hello)
    out(`POST ${new URL(receiver.url).pathname}`)
    for (const [name, value] of Object.entries(arrived.headers)) out(`${name}: ${value}`)
    out(`\n${JSON.stringify(JSON.parse(arrived.body), null, 2)}`)
    out(`\nsignature: ${arrived.signed ? 'verified with the secret of the endpoint' : 'DOES NOT VERIFY'}`)
    if (!arrived.signed) throw new Error('the signature of the webhook does not verify')

    title('The reply')
    const reply = 'Hello Ana, this is the bridge.'
    const sent = await api('POST', `/v1/sessions/${session}/messages`, { to: contact.pn, type: 'text', text: { body: reply } })
    const got = await contact.received(reply, 30000)
    out(`Ana received "${textOf(got.message)}" from ${got.key.remoteJidAlt ?? got.key.remoteJid}`)
    const end = Date.now() + 20000
    let state
    do {
      state = await api('GET', `/v1/messages/${sent.id}`)
      await pause(50)
    } while (!['delivered', 'read', 'failed'].includes(state.status) && Date.now() < end)
    out(`GET /v1/messages/${sent.id} says: ${state.status}`)
    if (!['delivered', 'read'].includes(state.status)) throw new Error('the reply was not delivered')
    const { violations } = await sandbox.violations()
    const ours = violations.filter(one => String(one.account) === number)
    if (ours.length > 0) throw new Error(`the sandbox objects to ${JSON.stringify(ours)}`)
    out('the sandbox found nothing in the traffic that WhatsApp would refuse')
    return contact.pn
  } finally {
    await contact.close()
  }
}

async function addresses(bridge, sandbox, session, number, contact) {
  title('Running')
  out(`API         ${bridge.url} (document: ${bridge.url}/openapi.json)`)
  const page = await request(bridge.url + '/')
  if (page.status === 200 && existsSync(join(dir, 'console-password'))) {
    out(`console     ${bridge.url}/`)
    out(`            sign in as ${owner} with the password ${readFileSync(join(dir, 'console-password'), 'utf8').trim()}`)
    if (sandbox) out(`            New session there, then: scripts/quickstart --scan${dir.includes('/build/quickstart') ? '' : ` --dir ${dir}`}`)
  }
  out(`ops         ${bridge.ops}/healthz, /readyz, /metrics`)
  if (sandbox) out(`sandbox     ${sandbox.base}/admin/accounts (authority: ${sandbox.caFile})`)
  out(`files       ${dir}: bridge.toml, root.key, data/, token, operator-token, console-password, webhooks.jsonl, *.log`)
  out(`session     ${session}`)
  out('\nTry:')
  out(`  curl -H "Authorization: Bearer $(cat ${dir}/token)" ${bridge.url}/v1/events?limit=3`)
  if (sandbox) {
    out(`  curl --cacert ${sandbox.caFile} ${sandbox.base}/admin/accounts/${contact}/messages -d '{"to":"${number}","text":"again"}'`)
  }
  out(`  tail -f ${dir}/webhooks.jsonl`)
  out(`\nStop everything with: scripts/quickstart --stop${real ? ' --real' : ''}${dir.includes('/build/quickstart') ? '' : ` --dir ${dir}`}`)
}

// The sandbox forgets everything at its end, so its tour begins anew; a real link is kept. Only a
// directory that an earlier tour of the same kind made is cleared.
function prepareDirectory() {
  const marker = join(dir, '.waslo-quickstart')
  const kind = real ? 'real' : 'sandbox'
  const found = existsSync(marker) ? readFileSync(marker, 'utf8') : undefined
  if (existsSync(dir) && readdirSync(dir).length > 0 && found !== kind) {
    throw new Error(`${dir} holds ${found ? `the data of a ${found} run` : 'other files'}; name another with --dir`)
  }
  if (!real) rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  writeFileSync(marker, kind)
}

// What a phone's camera does: every session that shows a code is scanned by a virtual phone.
async function scan(left) {
  const named = name => left.find(one => one.name === name)
  if (!named('bridge') || !named('sandbox')) throw new Error('nothing is running to be scanned: scripts/quickstart first')
  base = (await line(named('bridge'), /waslo-bridge listening on (\S+), ops on (\S+)/))[1]
  token = readFileSync(join(dir, 'token'), 'utf8').trim()
  const sandbox = new Sandbox(undefined, (await line(named('sandbox'), /waslo-sandbox listening on (\S+)/))[1], false)
  await sandbox.learnTrust(dir)
  const waiting = (await api('GET', '/v1/sessions?limit=100')).data.filter(one => one.status === 'SCAN_QR_CODE')
  if (waiting.length === 0) return out('no session shows a code now: press Start, or New session, in the console')
  for (const { id, name } of waiting) {
    const scanned = await sandbox.scan((await qr(id, 'application/json', 5)).code)
    if (scanned.status >= 300) throw new Error(`the virtual phone could not scan: ${scanned.status} ${scanned.text}`)
    out(`${name}: scanned by the virtual phone, ${(await working(id, 60000)).status}`)
  }
}

async function main() {
  const left = earlier().filter(lives)
  if (args.includes('--scan')) return scan(left)
  if (args.includes('--stop')) {
    await stopAll(left)
    return out(left.length === 0 ? 'nothing is running' : 'stopped')
  }
  if (left.length > 0) await stopAll(left)
  prepareDirectory()

  title('Starting')
  const sandbox = real ? undefined : await startSandbox()
  const known = real && existsSync(join(dir, 'session'))
  const receiver = await startReceiver()
  const bridge = await startBridge(sandbox)
  remember()
  let session, number, contact
  if (known) {
    token = readFileSync(join(dir, 'token'), 'utf8').trim()
    session = readFileSync(join(dir, 'session'), 'utf8').trim()
    for (const { id } of (await api('GET', '/v1/webhooks')).data) await api('DELETE', `/v1/webhooks/${id}`)
    writeFileSync(receiver.secrets, (await api('POST', '/v1/webhooks', { url: receiver.url, events: ['message', 'message.*'] })).secret + '\n')
  } else {
    session = await makePeople(bridge, receiver)
  }
  if (real) {
    await pairReally(session)
  } else {
    number = await pairVirtually(session, sandbox)
    contact = await talk(session, number, sandbox, receiver)
  }
  if (once) {
    title('Stopping')
    await stopAll(running)
    out('\nquickstart: everything worked')
  } else {
    await addresses(bridge, sandbox, session, number, contact)
  }
}

async function giveUp(code) {
  for (const one of running) one.command ??= commandOf(one.pid)
  await stopAll(running)
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => giveUp(1))
main().then(
  () => process.exit(0),
  async error => {
    process.stderr.write(`\nquickstart: ${error.message}\nlogs: ${dir}/*.log\n`)
    await giveUp(1)
  }
)
