// The log on another system: the real bridge, one rsyslogd beside it and one elsewhere, by the example files.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Bridge, Program, eventually, remove, workDir } from '../e2e/lib/programs.mjs'
import { freePort } from '../edge/lib/proxies.mjs'

const examples = fileURLToPath(new URL('../../bridge/examples/', import.meta.url))
const nobody = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }
let dir, port, socket, bridge, sender, receiver
const started = []

const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' })
function authority(name) {
  const [key, pem] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)]
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', pem,
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
  return { key, pem }
}
function issue(by, file, name) {
  const [key, csr, pem, ext] = ['key', 'csr', 'pem', 'ext'].map(end => join(dir, `${file}.${end}`))
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', csr)
  writeFileSync(ext, `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth,clientAuth\n`)
  openssl('x509', '-req', '-in', csr, '-CA', by.pem, '-CAkey', by.key, '-CAcreateserial', '-days', '2', '-extfile', ext, '-out', pem)
  return { key, pem }
}

// Every replacement must find its text: the example that is tested is the example that is shipped.
function adapted(file, replacements) {
  let text = readFileSync(examples + file, 'utf8')
  for (const [from, to] of replacements) {
    assert.ok(text.includes(from), `${file} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

function rsyslogd(name, text) {
  const own = join(dir, name)
  mkdirSync(own, { recursive: true })
  const file = join(own, 'rsyslog.conf')
  writeFileSync(file, `global(workDirectory="${own}" localHostname="bridge-host" processInternalMessages="on")\nsyslog.* action(type="omfile" file="${join(own, 'messages')}")\n${text}`)
  const program = new Program(`rsyslogd ${name}`, '/usr/sbin/rsyslogd', ['-n', '-f', file, '-i', join(own, 'pid')], { log: join(own, 'own.log') })
  // What rsyslogd has to say for itself; the same file after a new start.
  const said = () => existsSync(join(own, 'messages')) ? readFileSync(join(own, 'messages'), 'utf8') : ''
  const before = said().length
  program.says = (pattern, ms = 20000) => eventually(`${name} says ${pattern}`, () => pattern.test(said().slice(before)), ms)
    .catch(error => { throw new Error(`${error.message}:\n${said().slice(before)}`) })
  started.push(program)
  return program
}

const received = join => readdirSync(join, { recursive: false })
function lines() {
  const out = []
  const root = join(dir, 'arrived')
  if (!existsSync(root)) return out
  for (const host of received(root)) {
    for (const file of received(join(root, host)).sort()) out.push(...readFileSync(join(root, host, file), 'utf8').split('\n').filter(line => line))
  }
  return out
}
// What the bridge has written, whole lines only.
const written = () => readFileSync(join(dir, 'stderr.log'), 'utf8').split('\n').slice(0, -1)
const missing = () => {
  const there = new Set(lines())
  return written().filter(line => !there.has(line))
}
const all = () => eventually('every line has arrived', () => written().length > 0 && missing().length === 0, 20000)
  .catch(error => { throw new Error(`${error.message}: ${missing().length} of ${written().length} missing; places ${missing().map(line => written().indexOf(line))} ${missing()[0]}`) })

const receive = (ca, own) => rsyslogd('receiver', adapted('rsyslog-receive.conf', [
  ['port="6514"', `port="${port}" address="127.0.0.1"`],
  ['/etc/waslo/log-ca.pem', ca.pem], ['/etc/waslo/log-server.pem', own.pem], ['/etc/waslo/log-server.key', own.key],
  ['/var/log/waslo-bridge/', join(dir, 'arrived') + '/']
]))
// Debian's own file loads imuxsock, through which journald hands on; here it listens at a place of ours.
const send = (name, at, ca, own) => rsyslogd(name, `module(load="imuxsock" sysSock.use="off")\ninput(type="imuxsock" socket="${at}")\n` + adapted('rsyslog-send.conf', [
  ['target="logs.example.org" port="6514"', `target="127.0.0.1" port="${port}"`],
  ['/etc/waslo/log-ca.pem', ca.pem], ['/etc/waslo/log-bridge.pem', own.pem], ['/etc/waslo/log-bridge.key', own.key],
  ['/var/spool/rsyslog', join(dir, name)], ['action.resumeInterval="10"', 'action.resumeInterval="1"']
]))
const tell = (at, text) => execFileSync('logger', ['--socket', at, '--tag', 'waslo-bridge', '--size', '65536', text])

// The bridge as a unit runs it: each line of standard error is handed to the system's log.
class Unit extends Bridge {
  async start() {
    const program = `exec "${process.env.WAB_BIN_DIR}/waslo-bridge" serve --config "${this.config}" 2> >(tee -a "${join(dir, 'stderr.log')}" | logger --socket "${socket}" --tag waslo-bridge --size 65536)`
    this.program = new Program('waslo-bridge', '/bin/bash', ['-c', program], { log: this.log })
    const [, base] = await this.program.line(/waslo-bridge listening on (https?:\/\/\S+), ops on (\S+)/)
    this.base = base
    return this
  }
}

let ca, other, server, client
before(async () => {
  dir = workDir('logs')
  port = await freePort()
  socket = join(dir, 'log')
  ca = authority('log-authority')
  other = authority('another-authority')
  server = issue(ca, 'server', 'logs.example.org')
  client = issue(ca, 'client', 'bridge.example.org')
  receiver = receive(ca, server)
  sender = send('sender', socket, ca, client)
  await eventually('the socket is there', () => existsSync(socket), 20000)
  bridge = await new Unit(dir, nobody).start()
  await bridge.bootstrap()
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  for (const program of started) await program.stop(5000)
  remove(dir)
}, { timeout: 60000 })

test('every line of the log arrives on the other system as it was written', { timeout: 90000 }, async () => {
  await bridge.call('POST', '/v1/login', { email: 'nobody@example.org', password: 'wrong password' }, null)
  await bridge.call('GET', '/v1/sessions', undefined, 'wab_live_nonsense')
  const arrived = () => lines().map(line => JSON.parse(line).event)
  for (const wanted of ['http.request', 'http.refused', 'audit.entry']) await eventually(wanted, () => arrived().includes(wanted))
  await all()
  assert.ok(arrived().length > 5)
  assert.deepEqual(lines().filter(line => written().includes(line)), written(), 'in order, and once')
  const file = join(dir, 'arrived', received(join(dir, 'arrived'))[0])
  assert.equal(statSync(join(file, received(file)[0])).mode & 0o007, 0, 'nobody else may read it')
})

test('the links of the audit log are there too, and contradict a chain that was rewritten', async () => {
  await bridge.call('POST', '/v1/tokens', { name: 'x', role: 'viewer' })
  const { data } = await bridge.must('GET', '/v1/audit?limit=100')
  assert.ok(data.length >= 2)
  const last = Math.max(...data.map(entry => entry.seq))
  const told = () => new Map(lines().map(line => JSON.parse(line)).filter(one => one.event === 'audit.entry' && one.organization === bridge.org).map(one => [one.seq, one.hash]))
  const links = await eventually('the last link has arrived', () => told().has(last) && told())
  for (const entry of data) assert.equal(links.get(entry.seq), entry.hash, `entry ${entry.seq}`)
})

test('nothing is lost while the other system is away', { timeout: 120000 }, async () => {
  await receiver.stop()
  const before = written().length
  for (let i = 0; i < 30; i++) await bridge.call('GET', '/v1/sessions')
  await eventually('the bridge goes on writing', () => written().length >= before + 30)
  assert.ok(missing().length >= 30)
  receiver = receive(ca, server)
  await all()
})

test('who is not proven by the authority and by name writes nothing, and is sent nothing', { timeout: 120000 }, async () => {
  const strangers = { 'of another authority': issue(other, 'stranger', 'bridge.example.org'), 'of another name': issue(ca, 'renamed', 'elsewhere.example.org') }
  for (const [what, own] of Object.entries(strangers)) {
    const name = own.pem.match(/(\w+)\.pem$/)[1]
    const at = join(dir, name + '.sock')
    const program = send(name, at, ca, own)
    await eventually('the socket is there', () => existsSync(at), 20000)
    tell(at, `{"event":"forged ${name}"}`)
    await receiver.says(/authentication|certificate|peer/i).catch(error => { throw new Error(`${what}: ${error.message}`) })
    await program.stop(5000)
  }
  // Without TLS there is no answer to speak to.
  const plain = connect(port, '127.0.0.1')
  const said = await new Promise(resolve => {
    let text = ''
    plain.on('data', data => { text += data })
    plain.on('close', () => resolve(text))
    plain.on('error', () => resolve(text))
    plain.write('1 open 85 relp_version=0\nrelp_software=forged\ncommands=syslog\n')
    setTimeout(() => plain.destroy(), 3000)
  })
  assert.doesNotMatch(said, /200 OK/)
  assert.ok(!lines().some(line => line.includes('forged')))
  // A receiver that only looks like ours gets nothing.
  await receiver.stop()
  receiver = receive(ca, strangers['of another name'])
  const count = lines().length
  for (let i = 0; i < 5; i++) await bridge.call('GET', '/v1/sessions')
  await sender.says(/authentication|certificate|peer/i)
  assert.equal(lines().length, count)
})
