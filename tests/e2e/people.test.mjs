// People against the real programs: invited, signed in with a second factor, changed, shut out; over a restart.
import test, { after, before, describe } from 'node:test'
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { binDir, Bridge, remove, startSandbox, workDir } from './lib/programs.mjs'

const run = promisify(execFile)
const password = 'three green kettles'
const dir = workDir('people')
let sandbox
let bridge
let organization

const problem = (answer, status, code) => {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.json.code, code, answer.text)
}
// A browser: the cookie of its sign-in, and what browsers send along.
class Browser {
  constructor(agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0') {
    this.headers = { 'user-agent': agent, 'sec-fetch-site': 'same-origin' }
  }
  async signIn(email, word = password, code) {
    const answer = await this.call('POST', '/v1/login', { email, password: word, ...(code ? { code } : {}) })
    const cookie = [answer.headers['set-cookie'] ?? []].flat()[0]
    if (answer.status === 200) this.headers.cookie = cookie.split(';')[0]
    return answer
  }
  call(method, path, body) {
    return bridge.call(method, path, body, null, this.headers)
  }
  async must(method, path, body) {
    const answer = await this.call(method, path, body)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
}
async function member(email, role, inviter) {
  const invited = await inviter('POST', { email, role })
  const accepted = await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password }, null)
  assert.equal(accepted.status, 201, accepted.text)
  return accepted.json
}
const byOperator = (method, body) =>
  bridge.must(method, `/v1/organizations/${organization.id}/invitations`, body, bridge.operatorToken)

// RFC 6238, written again here.
function totp(secret, step) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map(c => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', key).update(counter).digest()
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff
  return String(number % 1000000).padStart(6, '0')
}
const stepNow = () => Math.floor(Date.now() / 30000)

before(async () => {
  sandbox = await startSandbox(dir)
  // Tests sign in more often than people do.
  bridge = await new Bridge(dir, sandbox, { extra: { limits: { login_per_minute: 60 } } }).start()
  organization = await bridge.bootstrap()
}, { timeout: 60000 })
after(async () => {
  await bridge?.stop()
  await sandbox?.program.stop()
  remove(dir)
}, { timeout: 60000 })

describe('people', () => {
  const owner = new Browser()
  let ownerId

  test('an operator invites an owner, who signs in and invites the others', async () => {
    const made = await member('owner@example.com', 'owner', byOperator)
    ownerId = made.id
    assert.equal(made.organization_id, organization.id)
    assert.equal((await owner.signIn('owner@example.com')).status, 200)
    const me = await owner.must('GET', '/v1/me')
    assert.equal(me.user.email, 'owner@example.com')
    assert.ok(me.permissions.includes('users:write'))
    const invited = await owner.must('POST', '/v1/invitations', { email: 'agent@example.com', role: 'agent' })
    assert.match(invited.token, /^wab_invite_[0-9A-Za-z]{36}$/)
    assert.ok(invited.link.endsWith('/#/invitation/' + invited.token), 'behind # it is in no log')
    problem(await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password: 'qwertyqwerty' }, null), 422, 'weak_password')
    assert.equal((await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password }, null)).status, 201)
    problem(await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password }, null), 403, 'invitation_refused')
    const { data } = await owner.must('GET', '/v1/users')
    assert.deepEqual(data.map(user => user.role).sort(), ['agent', 'owner'])
  })

  test('a changed role and a disabled user count from the next request', async () => {
    const { data } = await owner.must('GET', '/v1/users')
    const { id } = data.find(user => user.role === 'agent')
    const agent = new Browser()
    assert.equal((await agent.signIn('agent@example.com')).status, 200)
    assert.equal((await agent.call('GET', '/v1/tokens')).status, 403)
    await owner.must('PATCH', `/v1/users/${id}`, { role: 'admin' })
    assert.equal((await agent.call('GET', '/v1/tokens')).status, 200)
    await owner.must('PATCH', `/v1/users/${id}`, { disabled: true })
    problem(await agent.call('GET', '/v1/me'), 401, 'unauthenticated')
    problem(await agent.signIn('agent@example.com'), 401, 'bad_credentials')
    problem(await owner.call('DELETE', `/v1/users/${ownerId}`), 409, 'last_owner')
    await owner.must('DELETE', `/v1/users/${id}`)
    problem(await owner.call('GET', `/v1/users/${id}`), 404, 'not_found')
  })

  test('a second factor is asked for, takes each code once, and recovery codes stand in', async () => {
    const { secret, uri } = await owner.must('POST', '/v1/me/totp')
    assert.ok(uri.startsWith('otpauth://totp/') && uri.includes(secret))
    const first = stepNow()
    const { recovery_codes } = await owner.must('POST', '/v1/me/totp/confirm', { code: totp(secret, first) })
    assert.equal(recovery_codes.length, 10)
    const other = new Browser()
    problem(await other.signIn('owner@example.com'), 401, 'code_required')
    problem(await other.signIn('owner@example.com', password, totp(secret, first)), 401, 'code_refused')
    assert.equal((await other.signIn('owner@example.com', password, totp(secret, first + 1))).status, 200)
    problem(await new Browser().signIn('owner@example.com', password, totp(secret, first + 1)), 401, 'code_refused')
    assert.equal((await new Browser().signIn('owner@example.com', password, recovery_codes[0])).status, 200)
    problem(await new Browser().signIn('owner@example.com', password, recovery_codes[0]), 401, 'code_refused')
    await owner.must('POST', '/v1/me/totp/off', { code: recovery_codes[1] })
    assert.equal((await other.call('GET', '/v1/me')).status, 401, 'what was opened before is ended')
    assert.equal((await other.signIn('owner@example.com')).status, 200)
  })

  test('browsers are listed and ended one by one, and by a new password; all of it outlives a restart', async () => {
    const phone = new Browser('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1')
    assert.equal((await phone.signIn('owner@example.com')).status, 200)
    const { data } = await owner.must('GET', '/v1/me/sessions')
    assert.equal(data.filter(one => one.current).length, 1)
    const theirs = data.find(one => one.user_agent === 'Safari on iOS')
    assert.equal(theirs.address, '127.0.0.0/24')
    await owner.must('DELETE', `/v1/me/sessions/${theirs.id}`)
    problem(await phone.call('GET', '/v1/me'), 401, 'unauthenticated')
    assert.equal((await phone.signIn('owner@example.com')).status, 200)
    problem(await owner.call('POST', '/v1/me/password', { current: 'not that one', password: 'four blue kettles' }), 401, 'bad_credentials')
    await owner.must('POST', '/v1/me/password', { current: password, password: 'four blue kettles' })
    problem(await phone.call('GET', '/v1/me'), 401, 'unauthenticated')
    await bridge.stop()
    await bridge.start()
    assert.equal((await owner.call('GET', '/v1/me')).status, 200)
    problem(await phone.call('GET', '/v1/me'), 401, 'unauthenticated')
    problem(await phone.signIn('owner@example.com'), 401, 'bad_credentials')
    assert.equal((await phone.signIn('owner@example.com', 'four blue kettles')).status, 200)
    const again = await owner.signIn('owner@example.com', 'four blue kettles')
    assert.equal(again.status, 200)
  })

  test('the command line makes another operator, with the same rules', async () => {
    await bridge.stop()
    const file = join(dir, 'password')
    const create = () => run(join(binDir, 'waslo-bridge'),
      ['user', 'create', '--config', bridge.config, '--email', 'second@example.org', '--password-file', file],
      { env: { ...process.env, ...bridge.env } })
    writeFileSync(file, 'qwertyqwerty\n')
    await assert.rejects(create(), error => error.code === 1 && /password/.test(error.stderr))
    writeFileSync(file, password + '\n')
    assert.equal((await create()).stdout.trim(), 'second@example.org')
    await bridge.start()
    const second = new Browser()
    assert.equal((await second.signIn('second@example.org')).status, 200)
    const { data } = await second.must('GET', '/v1/users')
    assert.equal(data.length, 2)
  })
})
