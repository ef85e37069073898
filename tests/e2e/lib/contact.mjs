// A person on the other side of the conversation: an unmodified Baileys, which is nobody's mock of us.
import https from 'node:https'
import makeWASocket, {
  Browsers,
  DisconnectReason,
  initAuthCreds,
  makeCacheableSignalKeyStore,
  proto,
  WA_CERT_DETAILS
} from 'baileys'
import pino from 'pino'
import { pause } from './programs.mjs'

// libsignal talks on the console, whatever logger Baileys is given.
for (const word of ['log', 'info', 'warn']) console[word] = () => {}

// Baileys leaves timers behind that would keep the process for half a minute after its sockets have ended.
const timers = new Set()
const { setTimeout: later, setInterval: every } = globalThis
for (const [name, make] of [['setTimeout', later], ['setInterval', every]]) {
  globalThis[name] = Object.assign((...args) => {
    const timer = make(...args)
    timers.add(new WeakRef(timer))
    return timer
  }, make)
}
export function releaseTimers() {
  for (const timer of timers) timer.deref()?.unref()
  timers.clear()
}

const silent = pino({ level: 'silent' })

export const pnJid = pn => `${pn}@s.whatsapp.net`

// One process holds one trust anchor; the sandbox of the running test file is it.
function trust(sandbox) {
  Buffer.from(sandbox.noiseRootKey, 'hex').copy(WA_CERT_DETAILS.PUBLIC_KEY)
}

export function textOf(message) {
  const content = message?.ephemeralMessage?.message ?? message
  return content?.conversation || content?.extendedTextMessage?.text || undefined
}

export class Contact {
  constructor(sandbox, name) {
    this.sandbox = sandbox
    this.name = name
    this.creds = initAuthCreds()
    this.keys = new Map() // `${type}|${id}` -> value: all that outlives a restart
    this.messages = []    // every upserted message, in order
    this.sent = new Map() // what a retry of the other side asks for
    this.updates = []     // messages.update
    this.receipts = []    // message-receipt.update
    this.closes = []      // why each connection ended
    this.waiters = []
    this.wanted = false
  }
  get pn() {
    return this.creds.me?.id?.split(/[:@]/)[0]
  }
  get jid() {
    return pnJid(this.pn)
  }
  get lid() {
    return this.creds.me?.lid?.split(/[:@]/)[0]
  }
  store() {
    return {
      get: async (type, ids) => {
        const found = {}
        for (const id of ids) {
          const value = this.keys.get(`${type}|${id}`)
          if (value !== undefined) found[id] = value
        }
        return found
      },
      set: async data => {
        for (const [type, entries] of Object.entries(data)) {
          for (const [id, value] of Object.entries(entries ?? {})) {
            if (value === null || value === undefined) this.keys.delete(`${type}|${id}`)
            else this.keys.set(`${type}|${id}`, value)
          }
        }
      }
    }
  }
  // Entries of one kind, e.g. 'session'; deleting them is how a client loses its memory.
  forget(type) {
    let count = 0
    for (const key of [...this.keys.keys()]) {
      if (key.startsWith(type + '|')) {
        this.keys.delete(key)
        ++count
      }
    }
    return count
  }
  snapshot() {
    return new Map([...this.keys].map(([key, value]) => [key, structuredClone(value)]))
  }
  // Connects (and pairs, the first time); done when the connection is open and the account has its number.
  async start(ms = 40000) {
    this.wanted = true
    // WhatsApp minds a device that connects more than once a second.
    await pause(Math.max(0, (this.connectedAt ?? 0) + 1100 - Date.now()))
    this.connect()
    await this.until('open', () => this.open, ms)
    return this
  }
  connect() {
    trust(this.sandbox)
    this.open = false
    this.connectedAt = Date.now()
    const socket = makeWASocket({
      waWebSocketUrl: this.sandbox.chatUrl,
      agent: this.sandbox.plain ? undefined : new https.Agent({ ca: this.sandbox.caPem }),
      auth: { creds: this.creds, keys: makeCacheableSignalKeyStore(this.store(), silent) },
      logger: silent,
      browser: Browsers.ubuntu('Chrome'),
      pushName: this.name,
      markOnlineOnConnect: true,
      syncFullHistory: false,
      shouldSyncHistoryMessage: () => false,
      generateHighQualityLinkPreview: false,
      getMessage: async key => this.sent.get(key.id),
      retryRequestDelayMs: 50,
      qrTimeout: 20000
    })
    this.socket = socket
    const mine = handler => value => {
      if (this.socket !== socket) return
      handler(value)
      this.wake()
    }
    socket.ev.on('creds.update', update => Object.assign(this.creds, update))
    socket.ev.on('connection.update', mine(update => {
      if (update.qr) this.scan(update.qr)
      if (update.connection === 'open') this.open = true
      if (update.connection === 'close') {
        this.open = false
        const code = update.lastDisconnect?.error?.output?.statusCode
        this.closes.push({ code, error: update.lastDisconnect?.error })
        this.reconnect(code)
      }
    }))
    socket.ev.on('messages.upsert', mine(({ messages, type }) => {
      for (const one of messages) this.messages.push({ ...one, upsert: type })
    }))
    socket.ev.on('messages.update', mine(updates => this.updates.push(...updates)))
    socket.ev.on('message-receipt.update', mine(updates => this.receipts.push(...updates)))
  }
  reconnect(code) {
    if (!this.wanted) return
    if (code === DisconnectReason.restartRequired) return this.connect()
    if (code === DisconnectReason.loggedOut || code === DisconnectReason.connectionReplaced) return
    this.timer = setTimeout(() => this.wanted && this.connect(), 1100)
  }
  async scan(qr) {
    if (this.scanned) return
    this.scanned = true
    const answer = await this.sandbox.scan(qr)
    if (answer.status >= 300) {
      this.scanned = false
      this.failure = new Error(`scan of ${this.name}: ${answer.status} ${answer.text}`)
    }
    this.wake()
  }
  wake() {
    this.waiters = this.waiters.filter(look => !look())
  }
  // Resolves with the first truthy value of `condition`, looked at after everything that happens here.
  until(what, condition, ms = 30000) {
    return new Promise((resolve, reject) => {
      const end = () => clearTimeout(timer)
      const look = () => {
        if (this.failure) { end(); reject(this.failure); return true }
        const value = condition()
        if (value) { end(); resolve(value) }
        return Boolean(value)
      }
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter(one => one !== look)
        const seen = this.messages.slice(-6).map(one => textOf(one.message) ?? `stub ${one.messageStubType} ${one.messageStubParameters}`)
        reject(new Error(`${this.name}: no ${what} within ${ms} ms; last messages: ${JSON.stringify(seen)}, closes: ${this.closes.map(c => `${c.code} ${c.error?.message}`)}`))
      }, ms)
      if (!look()) this.waiters.push(look)
    })
  }
  // The message with this text from somebody else, once it has been decrypted.
  received(text, ms) {
    return this.until(`message "${text}"`, () => this.texts().find(one => one.text === text)?.message, ms)
  }
  texts() {
    const out = []
    for (const one of this.messages) {
      const text = textOf(one.message)
      if (text !== undefined && !one.key.fromMe) out.push({ text, message: one })
    }
    // A message healed by a retry comes as an update of its placeholder.
    for (const { key, update } of this.updates) {
      const text = textOf(update?.message)
      if (text !== undefined && !key.fromMe) out.push({ text, message: { key, ...update } })
    }
    return out
  }
  async sendText(jid, text) {
    const message = await this.socket.sendMessage(jid, { text })
    this.sent.set(message.key.id, message.message)
    return message
  }
  // The other side's receipts for a message of ours: at least `status` (3 delivered, 4 read).
  receipt(id, status, ms) {
    // Baileys folds an update into the message when it publishes both at once.
    return this.until(`status ${status} of ${id}`, () =>
      this.updates.find(({ key, update }) => key.id === id && update.status >= status) ??
      this.messages.find(one => one.key.id === id && one.status >= status), ms)
  }
  read(message) {
    return this.socket.readMessages([message.key])
  }
  async close() {
    this.wanted = false
    clearTimeout(this.timer)
    const socket = this.socket
    this.socket = undefined
    this.open = false
    if (!socket) return
    await socket.end(undefined)
  }
  async restart() {
    await this.close()
    return this.start()
  }
}
export { proto, DisconnectReason }

// Turns the key of the next message into another one, so that its MAC cannot verify.
export function breakSending(contact) {
  let broken = 0
  for (const [key, value] of contact.keys) {
    if (!key.startsWith('session|')) continue
    const text = Buffer.isBuffer(value) || value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : undefined
    const record = text ? JSON.parse(text) : value
    for (const session of Object.values(record._sessions ?? {})) {
      for (const chain of Object.values(session._chains ?? {})) {
        if (chain.chainType !== 1 || !chain.chainKey?.key) continue
        const bytes = Buffer.from(chain.chainKey.key, 'base64')
        bytes[0] ^= 1
        chain.chainKey.key = bytes.toString('base64')
        ++broken
      }
    }
    contact.keys.set(key, text ? Buffer.from(JSON.stringify(record)) : record)
  }
  return broken
}
