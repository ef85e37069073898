// One small world that is hurt again and again: a sandbox, a bridge, a receiver, and the oracle that stands outside of
// what is hurt. torture.mjs decides where it hurts.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Bridge, eventually, pause, remove, request, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Receiver } from '../e2e/lib/receiver.mjs'
import { Oracle } from '../e2e/lib/oracle.mjs'

const schedule = ['0s', ...Array(60).fill('1s')]
const patience = 120000

export class World {
  // `unsafe`: switches that break the promise, to see that this is seen.
  constructor(random, unsafe = {}) {
    this.random = random
    this.unsafe = unsafe
    this.oracle = new Oracle()
    this.sends = []          // {key, text, to, id?}: what the API was asked to send
    this.seconds = []        // sessions beside our own
    this.organizations = []  // {id, deleted}: beside our own
    this.faults = []
    this.texts = 0
    this.logSeen = 0
  }
  async open() {
    this.dir = workDir('torture')
    this.counter = join(this.dir, 'counter')
    this.receiver = await new Receiver().listen()
    this.receiver.answer = () => (this.down ? 500 : 200)
    this.sandbox = await startSandbox(this.dir)
    this.bridge = new Bridge(this.dir, this.sandbox, { extra: { webhook: { allow_private_targets: ['127.0.0.0/8'], schedule } } })
    await this.bridge.start()
    await this.bridge.bootstrap()
    this.receiver.secrets.push((await this.bridge.must('POST', '/v1/webhooks', { url: this.receiver.url })).secret)
    this.session = await this.bridge.pair(this.sandbox, 'torture')
    this.number = this.session.me.pn
    this.phones = []
    for (const name of ['Ana', 'Ben', 'Cleo']) this.phones.push(await this.sandbox.account(name))
    return this
  }
  async close() {
    await this.bridge?.kill()
    await this.sandbox?.program.stop()
    await this.receiver?.close()
    if (this.faults.length === 0) remove(this.dir)
    return this.dir
  }
  pick(list) {
    return list[Math.floor(this.random() * list.length)]
  }

  // People write: whether the service lives or not.
  async write(count) {
    for (let i = 0; i < count; i++) {
      const phone = this.pick(this.phones)
      const text = `${++this.texts} ${phone.push_name}`
      this.oracle.offer(phone.pn, text)
      await this.sandbox.send(phone.pn, this.number, text)
    }
  }
  // The tenant's backend sends, and asks again under the same key until it has an answer.
  async send() {
    const one = { key: `key-${this.sends.length}`, text: `out ${this.sends.length}`, to: this.pick(this.phones).pn }
    this.sends.push(one)
    await this.post(one)
  }
  async post(one) {
    const answer = await this.bridge.must('POST', `/v1/sessions/${this.session.id}/messages`, { to: one.to, type: 'text', text: { body: one.text } }, undefined, { 'idempotency-key': one.key })
    one.id = answer.id
  }
  // A number is paired, or its pairing is cut anywhere.
  async pair() {
    const made = await this.bridge.must('POST', '/v1/sessions', { name: 'second' })
    this.seconds.push(made.id)
    await this.bridge.must('POST', `/v1/sessions/${made.id}/start`)
    const { code } = await this.bridge.qr(made.id, 3000)
    await this.sandbox.scan(code)
    await this.bridge.until(made.id, 'WORKING', 3000)
  }
  async erase() {
    if (this.seconds.length === 0) return this.pair()
    await this.bridge.must('DELETE', `/v1/sessions/${this.seconds.at(-1)}`)
  }
  // A customer comes and goes: keys made and destroyed.
  async tenant() {
    const made = await this.bridge.must('POST', '/v1/organizations', { name: 'brief' }, this.bridge.operatorToken)
    const one = { id: made.id, deleted: false }
    this.organizations.push(one)
    await this.bridge.must('POST', `/v1/organizations/${one.id}/tokens`, { name: 't', role: 'admin' }, this.bridge.operatorToken)
    await this.bridge.must('DELETE', `/v1/organizations/${one.id}`, undefined, this.bridge.operatorToken)
    one.deleted = true
  }

  // One life with a fault in it. Returns how it ended: 'start', 'run' (both: died where it was told to), 'idle' (had no more
  // to do, was killed).
  async life(fault, doing) {
    this.down = this.random() < 0.3
    if (Math.abs(fault.clock ?? 0) > 86000) this.forgets = true
    await this.write(Math.floor(this.random() * 3))
    try {
      await this.bridge.start({ ...this.unsafe, ...this.bridge.faults({ ...fault, counter: this.counter }) }, { files: fault.files })
    } catch {
      // Giving up on a disk that fails is right; on one that only lost its power it is not.
      const { signal } = await this.bridge.program.exited
      if (signal !== 'SIGKILL' && fault.deed?.startsWith('kill')) this.faults.push(`does not start: ${this.bridge.program.tail(3)}`)
      return 'start'
    }
    const over = this.bridge.program.exited.then(() => true)
    const crowd = fault.crowd ? this.crowd(fault.crowd) : []
    over.then(() => crowd.forEach(socket => socket.destroy()))
    const busy = Promise.resolve(doing?.(this)).catch(() => {})
    await Promise.race([over, this.write(Math.floor(this.random() * 3))])
    let calls = -1n
    this.still = 0
    for (;;) {
      const died = await Promise.race([over, pause(60)])
      if (died) return void (await busy) ?? 'run'
      const now = readFileSync(this.counter).readBigUInt64LE()
      const done = await Promise.race([over, busy.then(() => true), pause(0)])
      if (now === calls && done) break
      if (now === calls && ++this.still > 40) break
      if (now !== calls) this.still = 0
      calls = now
    }
    await this.bridge.kill()
    await busy
    return 'idle'
  }

  // Connections that ask nothing, from as many addresses as the limits need.
  crowd(count) {
    const port = Number(new URL(this.bridge.base).port)
    return Array.from({ length: count }, (_, i) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.9.0.${1 + Math.floor(i / 60)}` })
      return socket.on('error', () => {})
    })
  }

  // A life without faults, in which everything has to come right.
  async check() {
    this.down = false
    const { bridge, faults } = this
    const wait = async (what, condition, ms = patience) => {
      try {
        return await eventually(what, condition, ms)
      } catch (error) {
        faults.push(error.message)
      }
    }
    await bridge.start(this.unsafe)
    try {
      await bridge.until(this.session.id, 'WORKING', patience)
    } catch (error) {
      faults.push(error.message)
    }
    let judged
    await wait('every message has arrived', () => (judged = this.oracle.judge(this.receiver)).missing === 0, this.patience)
    if (judged.missing > 0) faults.push(`${judged.missing} messages are missing: ${await this.whereabouts(judged.lost)}`)
    if (judged.undecryptable > 0) faults.push(`${judged.undecryptable} messages were not decrypted`)
    faults.push(...judged.faults, ...this.receiver.problems.splice(0))
    for (const one of this.sends.filter(one => !one.settled)) await this.settle(one, wait)
    await this.judgePair(wait)
    await this.judgeTenants()
    this.judgeLog()
    return faults
  }
  // How far what is missing has come.
  async whereabouts(lost) {
    const logged = new Set()
    for (let cursor = ''; ;) {
      const page = await this.bridge.must('GET', `/v1/events?limit=1000${cursor ? `&after=${cursor}` : ''}`)
      for (const event of page.data) if (event.type === 'message') logged.add(event.data.text?.body)
      if (page.data.length === 0) break
      cursor = page.next_cursor
    }
    const committed = lost.filter(text => logged.has(text))
    const { text } = await request(`${this.bridge.ops}/metrics`)
    const meters = text.split('\n').filter(line => /^waslo_(webhook|outbox|delivery|deliveries)/.test(line) && !/bucket|_sum/.test(line) && !/ 0$/.test(line))
    return `${committed.length} of them committed; ${lost.slice(0, 3)}; ${meters.join(', ')}`
  }
  // Sent once and only once; `unknown` may be either, and says so.
  async settle(one, wait) {
    if (!one.id) await wait(`${one.text} is accepted`, () => this.post(one).then(() => true, () => false))
    if (!one.id) return
    const status = await wait(`${one.text} is settled`, async () => {
      const now = await this.bridge.must('GET', `/v1/messages/${one.id}`)
      return now.status !== 'pending' && now.status
    })
    const arrived = (await this.sandbox.inbox(one.to)).messages.filter(message => message.text === one.text).length
    // An idempotency key lives a day: whose clock jumps further has none.
    if (arrived > 1 && !this.forgets) this.faults.push(`${one.text} arrived ${arrived} times`)
    if (arrived === 0 && ['sent', 'delivered', 'read'].includes(status)) {
      await wait(`${one.text}, which is ${status}, arrives`, async () => (await this.sandbox.inbox(one.to)).messages.some(message => message.text === one.text))
    }
    if (status === 'failed') this.faults.push(`${one.text} failed`)
    one.settled = true
  }
  // A number whose pairing was cut can be paired, or is; one whose deletion was cut can be deleted.
  async judgePair(wait) {
    for (const id of this.seconds.splice(0)) {
      const now = await this.bridge.call('GET', `/v1/sessions/${id}`)
      if (now.status === 200) {
        const working = await wait(`${id} works or can be paired`, async () => {
          const one = await this.bridge.status(id)
          if (one.status === 'SCAN_QR_CODE') await this.sandbox.scan((await this.bridge.qr(id)).code)
          else if (one.status === 'STOPPED' || one.status === 'FAILED') {
            await this.bridge.call('POST', `/v1/sessions/${id}/restart`)
            await pause(500)
          }
          return one.status === 'WORKING'
        })
        if (!working) continue
        await this.bridge.must('DELETE', `/v1/sessions/${id}`)
      } else if (now.status !== 404) {
        this.faults.push(`${id} answers ${now.status}`)
      }
      if ((await this.bridge.call('GET', `/v1/sessions/${id}`)).status !== 404) this.faults.push(`${id} is still there`)
    }
  }
  // What was being made or deleted is there whole or gone whole, its key with it.
  async judgeTenants() {
    const { bridge } = this
    const made = await bridge.must('GET', '/v1/organizations?limit=100', undefined, bridge.operatorToken)
    for (const one of made.data) {
      if (one.id === bridge.org) continue
      if (this.organizations.some(known => known.id === one.id && known.deleted)) this.faults.push(`${one.id} came back`)
      await bridge.must('DELETE', `/v1/organizations/${one.id}`, undefined, bridge.operatorToken)
    }
    this.organizations = []
    const keys = readdirSync(join(bridge.data, 'keystore')).filter(name => name !== bridge.org)
    if (keys.length > this.strangers) this.faults.push(`keys of deleted organizations are left: ${keys}`)
    this.strangers ??= keys.length // the deployment's own
  }
  judgeLog() {
    const lines = existsSync(this.bridge.log) ? readFileSync(this.bridge.log, 'utf8').split('\n') : []
    for (const line of lines.slice(this.logSeen)) {
      if (/store\.quarantined|"event":"bug|terminate called|AddressSanitizer/.test(line)) this.faults.push(line)
    }
    this.logSeen = Math.max(0, lines.length - 1)
  }
}
