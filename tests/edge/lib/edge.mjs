// What the tests of the edge share: a bridge without WhatsApp, raw sockets, certificates, counted tables.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect as tcp } from 'node:net'
import { connect as tls } from 'node:tls'
import { join } from 'node:path'
import { Bridge, request } from '../../e2e/lib/programs.mjs'
import { Table } from '../../e2e/lib/table.mjs'

// No session is started here, so that nobody has to answer at this address.
const nobody = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }

export function edgeBridge(dir, extra = {}, options = {}) {
  return new Bridge(dir, nobody, { extra, ...options })
}

export const portOf = base => Number(new URL(base).port)

export { Table }

// A socket to write raw bytes to. `text` grows; `closed` resolves when the other side ends.
export class Raw {
  constructor(port, { host = '127.0.0.1', from, secure } = {}) {
    this.text = ''
    this.ended = false
    const options = { port, host, localAddress: from, noDelay: true, ...secure }
    this.socket = secure ? tls(options) : tcp(options)
    this.opened = new Promise((resolve, reject) => {
      this.socket.once(secure ? 'secureConnect' : 'connect', resolve)
      this.socket.once('error', reject)
    })
    this.opened.catch(() => undefined)
    this.waiting = []
    this.socket.on('data', data => {
      this.text += data.toString('latin1')
      this.look()
    })
    this.closed = new Promise(resolve => {
      const end = () => {
        this.ended = true
        this.look()
        resolve()
      }
      this.socket.once('end', end)
      this.socket.once('close', end)
    })
    this.socket.on('error', error => { this.error = error })
  }
  look() {
    this.waiting = this.waiting.filter(one => !one())
  }
  write(bytes) {
    this.socket.write(Buffer.from(bytes, 'latin1'))
  }
  // Until the text matches; the match, or null when the other side ended before.
  until(pattern, ms = 10000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing like ${pattern} within ${ms} ms in: ${this.text.slice(-500)}`)), ms)
      const one = () => {
        const match = pattern.exec(this.text)
        if (!match && !this.ended) return false
        clearTimeout(timer)
        resolve(match)
        return true
      }
      if (!one()) this.waiting.push(one)
    })
  }
  // All that comes until the other side ends.
  async rest(ms = 10000) {
    let timer
    const late = new Promise(resolve => { timer = setTimeout(resolve, ms, 'late') })
    const which = await Promise.race([this.closed, late])
    clearTimeout(timer)
    return { text: this.text, closed: which !== 'late', statuses: statuses(this.text) }
  }
  destroy() {
    this.socket.destroy()
  }
}

export const statuses = text => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(match => Number(match[1]))

// Sends bytes, in one piece or one by one, and gives back what came until the end.
export async function exchange(port, bytes, { ms = 10000, bytewise = false, ...options } = {}) {
  const raw = new Raw(port, options)
  await raw.opened
  if (bytewise) {
    for (const byte of bytes) {
      raw.write(byte)
      await new Promise(resolve => setImmediate(resolve))
      if (raw.ended) break
    }
  } else {
    raw.write(bytes)
  }
  const out = await raw.rest(ms)
  raw.destroy()
  return out
}

export async function metric(ops, name, options) {
  const answer = await request(ops + '/metrics', options)
  let sum = 0
  for (const line of answer.text.split('\n')) {
    const match = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line)
    if (match && match[1] === name) sum += Number(match[3])
  }
  return sum
}

// An authority and what it signs, by the openssl program.
export class Authority {
  constructor(dir, name) {
    mkdirSync(dir, { recursive: true })
    this.dir = dir
    this.name = name
    this.certificate = join(dir, `${name}-ca.pem`)
    this.key = join(dir, `${name}-ca.key`)
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${name} authority`, '-keyout', this.key, '-out', this.certificate,
      '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
  }
  issue(leaf, { rsa = false, client = false } = {}) {
    const base = join(this.dir, `${this.name}-${leaf}`)
    const key = rsa ? ['-newkey', 'rsa:2048'] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    openssl('req', ...key, '-nodes', '-subj', `/CN=${leaf}`, '-keyout', `${base}.key`, '-out', `${base}.csr`)
    writeFileSync(`${base}.ext`, `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${client ? 'clientAuth' : 'serverAuth'}\n`)
    openssl('x509', '-req', '-in', `${base}.csr`, '-CA', this.certificate, '-CAkey', this.key, '-CAcreateserial',
      '-days', '1', '-extfile', `${base}.ext`, '-out', `${base}.pem`)
    return { certificate: `${base}.pem`, key: `${base}.key` }
  }
}
function openssl(...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}
