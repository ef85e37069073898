// What every test file stands on: one sandbox, one bridge with an organization, one webhook receiver, and the checks
// that follow each test: nothing that WhatsApp would refuse, no error in the bridge's log, every webhook well signed.
import { after, afterEach, before } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { Bridge, eventually, remove, startSandbox, workDir } from './programs.mjs'
import { Receiver } from './receiver.mjs'
import { Contact, pnJid, releaseTimers } from './contact.mjs'

export { pnJid }

export class Stage {
  constructor(name, options = {}) {
    this.name = name
    this.options = options
    this.contacts = []
    this.seenViolations = 0
    this.seenLog = 0
    this.allowed = []
    this.allowedErrors = []
  }
  async open() {
    this.dir = workDir(this.name)
    this.sandbox = await startSandbox(this.dir)
    this.bridge = await new Bridge(this.dir, this.sandbox, this.options).start()
    await this.bridge.bootstrap()
    this.receiver = await this.hook()
    if (this.options.session !== false) {
      this.session = await this.bridge.pair(this.sandbox, this.name)
      this.number = this.session.me.pn
      this.jid = pnJid(this.number)
    }
  }
  // One more endpoint, with a receiver of its own behind it.
  async hook(wish = {}) {
    const receiver = await new Receiver().listen()
    receiver.endpoint = await this.bridge.must('POST', '/v1/webhooks', { url: receiver.url, ...wish })
    receiver.secrets.push(receiver.endpoint.secret)
    this.receivers = [...(this.receivers ?? []), receiver]
    return receiver
  }
  async contact(name) {
    const contact = new Contact(this.sandbox, name)
    this.contacts.push(contact)
    return contact.start()
  }
  async close() {
    for (const contact of this.contacts) await contact.close()
    await this.bridge?.stop()
    await this.sandbox?.program.stop()
    for (const receiver of this.receivers ?? []) await receiver.close()
    if (!process.env.WAB_KEEP && this.dir) remove(this.dir)
    releaseTimers()
  }
  // Rules that the running test breaks on purpose.
  allow(...rules) {
    this.allowed.push(...rules)
  }
  allowErrors(...events) {
    this.allowedErrors.push(...events)
  }
  async check() {
    const { violations } = await this.sandbox.violations()
    const fresh = violations.slice(this.seenViolations)
    this.seenViolations = violations.length
    // A process started twice within a second connects twice: that is the test's doing, not the bridge's.
    if (this.bridge.starts !== this.startsSeen) this.allow('A8')
    this.startsSeen = this.bridge.starts
    const wrong = fresh.filter(one => !this.allowed.includes(one.rule))
    // npm's libsignal tries a message on each session it has and keeps the ratchet of a failed try, so that a contact
    // now and then writes one message which nobody can open (and sends it again when asked). That is not the bridge's.
    const theirs = wrong.findIndex(one => one.rule === 'M22' && one.device > 0 && this.contacts.some(contact => contact.pn === one.account))
    if (theirs >= 0) wrong.splice(theirs, 1)
    assert.deepEqual(wrong, [], 'violations at the sandbox')
    const log = existsSync(this.bridge.log) ? readFileSync(this.bridge.log, 'utf8').split('\n') : []
    const errors = log.slice(this.seenLog).filter(line => line.includes('"level":"error"'))
    this.seenLog = Math.max(0, log.length - 1)
    assert.deepEqual(errors.filter(line => !this.allowedErrors.some(event => line.includes(`"event":"${event}"`))), [], 'errors in the log of the bridge')
    for (const receiver of this.receivers) assert.deepEqual(receiver.problems, [], 'problems at the receiver')
    this.allowed = []
    this.allowedErrors = []
  }
  async restart({ signal = 'SIGTERM' } = {}) {
    if (signal === 'SIGKILL') await this.bridge.kill()
    else assert.equal((await this.bridge.stop()).code, 0, 'the bridge ends with 0')
    await this.bridge.start()
    await this.bridge.until(this.session.id, 'WORKING')
  }
  async working() {
    await this.bridge.until(this.session.id, 'WORKING')
  }
  send(to, body, extra = {}, headers = {}) {
    return this.bridge.must('POST', `/v1/sessions/${this.session.id}/messages`, { to, type: 'text', text: { body }, ...extra }, undefined, headers)
  }
  // Waits until the message has come at least this far.
  async reached(id, wanted, ms = 20000) {
    const order = ['pending', 'unknown', 'sent', 'delivered', 'read', 'played']
    let last
    return eventually(`${id} is ${wanted}, was ${() => last}`, async () => {
      last = await this.bridge.must('GET', `/v1/messages/${id}`)
      assert.notEqual(last.status, 'failed', JSON.stringify(last))
      return order.indexOf(last.status) >= order.indexOf(wanted) && last
    }, ms)
  }
  // Texts of inbound messages, in order of arrival at the receiver.
  texts(prefix = '', receiver = this.receiver) {
    return receiver.events.filter(e => e.type === 'message' && !e.data.from_me && e.data.text?.body.startsWith(prefix)).map(e => e.data.text.body)
  }
  async log(after = '') {
    const events = []
    let cursor = after
    for (;;) {
      const page = await this.bridge.must('GET', `/v1/events?limit=1000${cursor ? `&after=${cursor}` : ''}`)
      events.push(...page.data)
      if (page.data.length === 0) return { events, cursor }
      cursor = page.next_cursor
    }
  }
}

// For the top of a test file.
export function stage(name, options) {
  const made = new Stage(name, options)
  before(() => made.open(), { timeout: 60000 })
  afterEach(() => made.check())
  after(() => made.close(), { timeout: 60000 })
  return made
}
