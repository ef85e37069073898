// Starts and stops the real programs in a directory of their own, on free ports.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, appendFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'

export const binDir = process.env.WAB_BIN_DIR
if (!binDir) throw new Error('WAB_BIN_DIR must name the directory with waslo-bridge and waslo-sandbox')

export function workDir(name) {
  return mkdtempSync(join(process.env.WAB_WORK_DIR ?? tmpdir(), `waslo-${name}-`))
}

// A child process whose output lines can be waited for.
export class Program {
  constructor(name, path, args, { env = {}, log } = {}) {
    this.name = name
    this.lines = []
    this.waiters = []
    this.log = log
    this.child = spawn(path, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.exited = once(this.child, 'exit').then(([code, signal]) => {
      this.code = code
      this.signal = signal
      for (const waiter of this.waiters.splice(0)) waiter.reject(new Error(`${name} ended (${code ?? signal}):\n${this.tail()}`))
      return { code, signal }
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = ''
      stream.on('data', data => {
        if (log) appendFileSync(log, data)
        rest += data
        const lines = rest.split('\n')
        rest = lines.pop()
        for (const line of lines) this.onLine(line)
      })
    }
  }
  onLine(line) {
    this.lines.push(line)
    if (this.lines.length > 5000) this.lines.splice(0, 1000)
    this.waiters = this.waiters.filter(waiter => {
      const match = waiter.pattern.exec(line)
      if (match) waiter.resolve(match)
      return !match
    })
  }
  tail(count = 30) {
    return this.lines.slice(-count).join('\n')
  }
  line(pattern, ms = 30000) {
    for (const line of this.lines) {
      const match = pattern.exec(line)
      if (match) return Promise.resolve(match)
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name}: no line ${pattern} within ${ms} ms:\n${this.tail()}`)), ms)
      this.waiters.push({
        pattern,
        resolve: value => { clearTimeout(timer); resolve(value) },
        reject: error => { clearTimeout(timer); reject(error) }
      })
    })
  }
  kill(signal = 'SIGKILL') {
    if (this.code === undefined && this.signal === undefined) this.child.kill(signal)
    return this.exited
  }
  async stop(ms = 15000) {
    if (this.code !== undefined) return { code: this.code }
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ms)
    const result = await this.exited
    clearTimeout(timer)
    return result
  }
}

export async function startSandbox(dir, { plain = false, listen = '127.0.0.1:0', env = {} } = {}) {
  const args = ['--listen', listen, '--quiet']
  if (plain) args.push('--plain')
  const program = new Program('waslo-sandbox', join(binDir, 'waslo-sandbox'), args, { env, log: join(dir, 'sandbox.log') })
  const [, scheme, address] = await program.line(/listening on (https?):\/\/([\d.]+:\d+)/)
  const base = `${scheme}://${address}`
  // The authority is not known before the first answer.
  process.env.NODE_NO_WARNINGS = '1'
  const sandbox = new Sandbox(program, base, plain)
  await sandbox.learnTrust(dir)
  return sandbox
}

export class Sandbox {
  constructor(program, base, plain) {
    this.program = program
    this.base = base
    this.plain = plain
  }
  get chatUrl() {
    return this.base.replace(/^http/, 'ws') + '/ws/chat'
  }
  async learnTrust(dir) {
    const answer = await insecureFetch(this.base + '/admin/trust')
    this.noiseRootKey = answer.noise_root_key
    this.caPem = answer.tls_ca_pem
    this.caFile = join(dir, 'sandbox-ca.pem')
    writeFileSync(this.caFile, this.caPem ?? '')
  }
  async admin(method, path, body, type = 'application/json') {
    const text = body === undefined ? undefined : type === 'application/json' ? JSON.stringify(body) : body
    return request(this.base + '/admin' + path, { method, body: text, headers: text === undefined ? {} : { 'content-type': type }, ca: this.caPem })
  }
  async must(method, path, body, type) {
    const answer = await this.admin(method, path, body, type)
    if (answer.status >= 300) throw new Error(`sandbox ${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  account(pushName, pn) {
    return this.must('POST', '/accounts', pn ? { push_name: pushName, pn } : { push_name: pushName })
  }
  scan(qr) {
    return this.admin('POST', '/mock-phone/scan-qr', qr, 'text/plain')
  }
  send(pn, to, text) {
    return this.must('POST', `/accounts/${pn}/messages`, { to, text })
  }
  inbox(pn, query = '') {
    return this.must('GET', `/accounts/${pn}/inbox${query}`)
  }
  async violations() {
    const answer = await this.must('GET', '/stanzas?violations=1')
    return answer
  }
}

// node:http(s) by hand: fetch() cannot be given an authority.
import http from 'node:http'
import https from 'node:https'
const agents = new Map()
export function request(url, { method = 'GET', headers = {}, body, ca, timeout = 70000, insecure = false } = {}) {
  const target = new URL(url)
  const secure = target.protocol === 'https:'
  const key = `${secure}|${insecure}|${ca ? ca.length : 0}|${target.host}`
  if (!agents.has(key)) {
    const Agent = secure ? https.Agent : http.Agent
    agents.set(key, new Agent({ keepAlive: true, ca, rejectUnauthorized: !insecure, maxSockets: 32 }))
  }
  const all = { ...headers }
  if (body !== undefined) all['content-length'] = Buffer.byteLength(body)
  return new Promise((resolve, reject) => {
    const req = (secure ? https : http).request(target, { method, headers: all, agent: agents.get(key), timeout }, res => {
      const parts = []
      res.on('data', part => parts.push(part))
      res.on('end', () => {
        const bytes = Buffer.concat(parts)
        const text = bytes.toString('utf8')
        let json
        try { json = JSON.parse(text) } catch { json = undefined }
        resolve({ status: res.statusCode, headers: res.headers, bytes, text, json })
      })
      res.on('error', reject)
    })
    req.on('timeout', () => req.destroy(new Error(`timeout: ${method} ${url}`)))
    req.on('error', reject)
    req.end(body)
  })
}
async function insecureFetch(url) {
  const answer = await request(url, { insecure: true })
  if (!answer.json) throw new Error(`${url}: ${answer.status} ${answer.text}`)
  return answer.json
}

export function makeRootKey(dir) {
  const path = join(dir, 'root.key')
  if (!existsSync(path)) {
    writeFileSync(path, randomBytes(32).toString('hex') + '\n')
    chmodSync(path, 0o600)
  }
  return path
}

// Writes the configuration once; start() may be called again after a stop or a kill.
export class Bridge {
  constructor(dir, sandbox, { extra = {}, env = {} } = {}) {
    this.dir = dir
    this.data = join(dir, 'data')
    mkdirSync(this.data, { recursive: true })
    this.config = join(dir, 'bridge.toml')
    this.env = env
    this.log = join(dir, 'bridge.log')
    const sections = {
      http: { listen: '127.0.0.1:0' },
      ops: { listen: '127.0.0.1:0' },
      storage: { path: this.data, root_key: `file:${makeRootKey(dir)}` },
      whatsapp: {
        url: sandbox.chatUrl,
        noise_root_key: sandbox.noiseRootKey,
        ...(sandbox.plain ? {} : { ca_file: sandbox.caFile }),
        connects_per_second: 500
      },
      webhook: { allow_private_targets: ['127.0.0.0/8'] },
      limits: { token_per_minute: 1000000, organization_per_minute: 1000000, address_per_minute: 1000000 },
    }
    for (const [section, keys] of Object.entries(extra)) sections[section] = { ...sections[section], ...keys }
    let text = ''
    for (const [section, keys] of Object.entries(sections)) {
      text += `[${section}]\n`
      for (const [key, value] of Object.entries(keys)) text += `${key} = ${JSON.stringify(value)}\n`
    }
    writeFileSync(this.config, text)
  }
  // `env` of this life alone; `files`: open descriptors that it may have.
  async start(env = {}, { files } = {}) {
    this.starts = (this.starts ?? 0) + 1
    const run = [join(binDir, 'waslo-bridge'), 'serve', '--config', this.config]
    if (files !== undefined) run.unshift('/usr/bin/prlimit', `--nofile=${files}`)
    this.program = new Program('waslo-bridge', run[0], run.slice(1), {
      env: { ...this.env, ...env },
      log: this.log
    })
    const [, base, ops] = await this.program.line(/waslo-bridge listening on (https?:\/\/\S+), ops on (\S+)/)
    this.base = base
    this.ops = 'http://' + ops
    return this
  }
  setupToken() {
    return this.program.line(/setup token[^:]*: (\S+)/).then(match => match[1])
  }
  // The environment of a life with faults (tests/faults/interpose.cc). `hold`: a kill is a power cut, torn by that seed;
  // `at`, `deed`: what happens at which call; `clock`: seconds that the time of day is off; `counter`: a file that counts
  // the calls.
  faults({ hold, at, deed, clock, counter } = {}) {
    return {
      LD_PRELOAD: join(binDir, 'libfaults.so'),
      FAULT_DIR: this.data,
      ...(hold === undefined ? {} : { FAULT_HOLD: '1', FAULT_TEAR: String(hold) }),
      ...(at === undefined ? {} : { FAULT_AT: String(at), FAULT_DO: deed }),
      ...(clock === undefined ? {} : { FAULT_CLOCK: String(clock) }),
      ...(counter === undefined ? {} : { FAULT_COUNTER: counter })
    }
  }
  kill() {
    return this.program.kill('SIGKILL')
  }
  stop() {
    return this.program.stop()
  }
  // Calls the API; `token` may be undefined.
  async call(method, path, body, token = this.token, headers = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body)
    return request(this.base + path, {
      method,
      body: text,
      headers: {
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...headers
      }
    })
  }
  async must(method, path, body, token, headers) {
    const answer = await this.call(method, path, body, token, headers)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  // Setup, operator, organization, admin token of the organization.
  async bootstrap() {
    const setup_token = await this.setupToken()
    this.email = `operator-${randomBytes(6).toString('hex')}@example.org`
    this.password = randomBytes(12).toString('hex')
    const operator = await this.must('POST', '/v1/setup', { setup_token, email: this.email, password: this.password }, null)
    this.operatorToken = operator.token
    return this.organization('Example')
  }
  async organization(name) {
    const org = await this.must('POST', '/v1/organizations', { name }, this.operatorToken)
    const token = await this.must('POST', `/v1/organizations/${org.id}/tokens`, { name: 'tests', role: 'admin' }, this.operatorToken)
    this.org = org.id
    this.token = token.token
    return org
  }
  async status(id) {
    return this.must('GET', `/v1/sessions/${id}`)
  }
  async until(id, wanted, ms = 60000) {
    const end = Date.now() + ms
    let last
    while (Date.now() < end) {
      last = await this.status(id)
      if (last.status === wanted) return last
      await pause(100)
    }
    throw new Error(`session ${id} is ${last?.status} (${JSON.stringify(last?.reason)}), not ${wanted}`)
  }
  // Creates a session, has the phone of a fresh account scan its QR, waits until it works.
  async pair(sandbox, name) {
    const session = await this.must('POST', '/v1/sessions', { name })
    await this.must('POST', `/v1/sessions/${session.id}/start`)
    const qr = await this.qr(session.id)
    const scanned = await sandbox.scan(qr.code)
    if (scanned.status >= 300) throw new Error(`scan: ${scanned.status} ${scanned.text}`)
    const working = await this.until(session.id, 'WORKING')
    return { ...working, id: session.id }
  }
  async qr(id, ms = 30000) {
    const end = Date.now() + ms
    for (;;) {
      const answer = await this.call('GET', `/v1/sessions/${id}/qr?wait=5`, undefined, this.token, { accept: 'application/json' })
      if (answer.status === 200) return answer.json
      if (Date.now() > end) throw new Error(`qr: ${answer.status} ${answer.text}`)
      await pause(100)
    }
  }
}

// For polling a condition of another process; never a substitute for one.
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))
export async function eventually(what, condition, ms = 60000) {
  const end = Date.now() + ms
  let last
  for (;;) {
    last = await condition()
    if (last) return last
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await pause(50)
  }
}
export const remove = dir => rmSync(dir, { recursive: true, force: true })
