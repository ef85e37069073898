// Sign-in with Google against a provider that is not ours.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { Bridge, binDir, remove, request, workDir } from '../e2e/lib/programs.mjs'
import { IdentityProvider, makeAuthority } from './lib/identity_provider.mjs'
import { digits } from '../console/lib/totp.mjs'

const clientId = '1234-abc.apps.example.org'
const clientSecret = randomBytes(16).toString('hex')
const publicUrl = 'https://bridge.example.org'
const callback = '/v1/login/google/callback'
const noWhatsApp = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }
const dana = { sub: '110248495921238986420', email: 'dana@example.org', hd: 'example.org' }
const eve = { sub: '110248495921238986421', email: 'eve@example.org', hd: 'example.org' }

let dir, authority, provider, bridge

function makeBridge(name, auth = {}, more = {}) {
  const own = join(dir, name)
  execFileSync('mkdir', ['-p', own])
  return new Bridge(own, noWhatsApp, {
    extra: {
      http: { listen: '127.0.0.1:0', public_url: publicUrl },
      auth: {
        google_client_id: clientId, google_client_secret_file: join(dir, 'client-secret'), google_issuer: provider.issuer,
        google_ca_file: authority.caFile, allowed_domains: ['example.org'], ...auth
      },
      limits: { login_per_minute: 1000, token_per_minute: 1000000, organization_per_minute: 1000000, address_per_minute: 1000000 },
      ...more
    }
  })
}

before(async () => {
  dir = workDir('google')
  authority = makeAuthority(dir, 'provider')
  provider = await new IdentityProvider({ authority, clientId, clientSecret, redirectUri: publicUrl + callback }).open()
  writeFileSync(join(dir, 'client-secret'), clientSecret + '\n')
  bridge = await makeBridge('main').start()
  await bridge.bootstrap()
}, { timeout: 60000 })

after(async () => {
  await bridge?.stop()
  await provider?.close()
  remove(dir)
}, { timeout: 60000 })

afterEach(() => {
  assert.deepEqual(provider.problems, [])
  provider.instead = {}
  provider.down.clear()
})

// A browser, as far as cookies go. `at` is the bridge that it talks to.
class Browser {
  constructor(at = bridge) {
    this.at = at
    this.cookies = new Map()
  }
  async get(path, { page = false, method = 'GET', body, headers = {} } = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await request(this.at.base + path, {
      method, body: body && JSON.stringify(body),
      headers: {
        accept: page ? 'text/html,application/xhtml+xml' : 'application/json', ...cookie ? { cookie } : {},
        ...body ? { 'content-type': 'application/json', origin: publicUrl } : {}, ...headers
      }
    })
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [pair, ...attributes] = line.split('; ')
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      assert.match(name, /^__Host-/)
      for (const wanted of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax']) assert.ok(attributes.includes(wanted), line)
      assert.ok(!attributes.some(one => one.startsWith('Domain')), line)
      if (attributes.includes('Max-Age=0')) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return answer
  }
  // To the provider and to where it sends us back; answers the way back.
  async ask(account, query = '') {
    const begun = await this.get('/v1/login/google' + query)
    assert.equal(begun.status, 302, begun.text)
    return provider.consent(begun.headers.location, account)
  }
  back(url, options) {
    return this.get(url.pathname + url.search, options)
  }
  async signIn(account, options) {
    return this.back(await this.ask(account), options)
  }
  async password() {
    const answer = await this.get('/v1/login', { method: 'POST', body: { email: this.at.email, password: this.at.password } })
    assert.equal(answer.status, 200, answer.text)
    return this
  }
  get session() {
    return this.cookies.get('__Host-wab')
  }
  // Whether the cookie opens what only the operator sees.
  async operates() {
    return (await this.get('/v1/organizations')).status === 200
  }
}
const refused = (answer, status, code, explained = false) => {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.json.code, code)
  if (!explained) assert.equal(answer.json.detail, undefined, 'a stranger learns no reason')
}
// Links the account to the operator, if it is not yet.
const link = async account => {
  const browser = await new Browser().password()
  const answer = await browser.back(await browser.ask(account, '?link=1'))
  assert.equal(answer.status, 303, answer.text)
  assert.equal(answer.headers.location, '/#linked=google')
  return browser
}
const log = () => readFileSync(bridge.log, 'utf8')

test('an account that nobody linked is not let in, whatever its e-mail address', async () => {
  const stranger = new Browser()
  refused(await stranger.signIn({ ...dana, email: bridge.email, sub: 'other' }), 403, 'not_invited')
  assert.equal(stranger.session, undefined)
  assert.equal(stranger.cookies.size, 0, 'the cookie of the flow is taken away')
  const page = await stranger.signIn(dana, { page: true })
  assert.equal(page.status, 303)
  assert.equal(page.headers.location, '/#signin-error=not_invited')
  assert.equal(page.text, '')
  await bridge.program.line(/"event":"google.not_invited"/)
})

test('linking takes a signed-in user, and then signing in works', async () => {
  const stranger = new Browser()
  refused(await stranger.get('/v1/login/google?link=1'), 401, 'unauthenticated')
  await link(dana)
  const browser = new Browser()
  const answer = await browser.signIn(dana)
  assert.equal(answer.status, 303, answer.text)
  assert.equal(answer.headers.location, '/')
  assert.ok(await browser.operates())
  assert.equal(browser.cookies.size, 1)
  // The address may change; the subject counts.
  assert.equal((await new Browser().signIn({ ...dana, email: 'dana.new@example.org' })).status, 303)
  refused(await new Browser().signIn({ ...dana, sub: dana.sub + '0' }), 403, 'not_invited')
})

test('every sign-in makes a new session and ends the one before', async () => {
  await link(dana)
  const browser = new Browser()
  await browser.signIn(dana)
  const earlier = new Browser()
  earlier.cookies.set('__Host-wab', browser.session)
  assert.ok(await earlier.operates())
  await browser.signIn(dana)
  assert.notEqual(browser.session, earlier.session)
  assert.ok(await browser.operates())
  assert.ok(!await earlier.operates())
})

test('a replayed answer is refused', async () => {
  await link(dana)
  const browser = new Browser()
  const way = await browser.ask(dana)
  const flow = new Map(browser.cookies)
  assert.equal((await browser.back(way)).status, 303)
  const tokens = provider.asked['/token']
  const thief = new Browser()
  thief.cookies = new Map(flow)
  refused(await thief.back(way), 403, 'signin_refused')
  assert.equal(provider.asked['/token'], tokens, 'the provider was not asked again')
  // The old code in a sign-in of one's own: the provider has seen it.
  const other = await thief.ask(dana)
  other.searchParams.set('code', way.searchParams.get('code'))
  refused(await thief.back(other), 403, 'signin_refused')
  assert.equal(thief.session, undefined)
})

test('an answer that another browser asked for is refused (login CSRF)', async () => {
  await link(dana)
  const attacker = new Browser()
  const way = await attacker.ask(dana)
  const victim = new Browser()
  refused(await victim.back(way), 403, 'signin_refused')
  await victim.ask(eve)
  refused(await victim.back(way), 403, 'signin_refused')
  assert.equal(victim.session, undefined)
  // A code that was stolen is worth nothing without the verifier (PKCE).
  const mine = await victim.ask(eve)
  mine.searchParams.set('code', way.searchParams.get('code'))
  refused(await victim.back(mine), 403, 'signin_refused')
  await bridge.program.line(/"event":"google.refused".*google.state/)
})

test('linking ends with the user who began it', async () => {
  const browser = await new Browser().password()
  const way = await browser.ask(eve, '?link=1')
  browser.cookies.delete('__Host-wab')
  refused(await browser.back(way), 401, 'unauthenticated')
  refused(await new Browser().signIn(eve), 403, 'not_invited')
  const foreign = await new Browser().password()
  refused(await foreign.get('/v1/login/google?link=1', { headers: { 'sec-fetch-site': 'cross-site' } }), 403, 'cross_site')
})

test('one account per user, and it can be unlinked', async () => {
  const browser = await link(dana)
  assert.equal((await browser.get('/v1/me/google')).json.email, dana.email)
  const second = await browser.back(await browser.ask(eve, '?link=1'))
  refused(second, 409, 'conflict')
  const unlink = () => browser.get('/v1/me/google', { method: 'DELETE', headers: { origin: publicUrl } })
  assert.equal((await unlink()).status, 204)
  assert.equal((await unlink()).status, 404)
  refused(await new Browser().signIn(dana), 403, 'not_invited')
  // A token is nobody's account.
  refused(await bridge.call('DELETE', '/v1/me/google'), 403, 'forbidden', true)
  assert.equal((await bridge.call('GET', '/v1/me/google')).status, 404)
  assert.deepEqual((await new Browser().get('/v1/login/methods')).json, { password: true, google: true })
  await link(dana)
})

test('whoever has a second factor is asked for it after Google', { timeout: 60000 }, async () => {
  const other = await makeBridge('factor').start()
  try {
    await other.bootstrap()
    const browser = await new Browser(other).password()
    assert.equal((await browser.back(await browser.ask(dana, '?link=1'))).headers.location, '/#linked=google')
    const { secret } = (await browser.get('/v1/me/totp', { method: 'POST', headers: { origin: publicUrl } })).json
    const on = await browser.get('/v1/me/totp/confirm', { method: 'POST', body: { code: digits(secret) } })
    assert.equal(on.status, 200, on.text)
    const [first, second] = on.json.recovery_codes

    const back = new Browser(other)
    const page = await back.signIn(dana, { page: true })
    assert.equal(page.status, 303)
    assert.equal(page.headers.location, '/#signin-code=google')
    assert.equal(back.session, undefined, 'Google alone opens nothing')
    assert.equal((await back.get('/v1/me')).status, 401)
    const give = (who, code) => who.get('/v1/login/google/code', { method: 'POST', body: { code } })
    refused(await give(back, '000000'), 401, 'code_refused')
    refused(await give(new Browser(other), first), 403, 'signin_refused')
    const entered = await give(back, first)
    assert.equal(entered.status, 200, entered.text)
    assert.deepEqual(entered.json, { role: 'operator', organization_id: null })
    assert.ok(await back.operates())
    assert.deepEqual([...back.cookies.keys()], ['__Host-wab'], 'the cookie of the step is taken away')
    // A program is told, and may go on all the same.
    const program = new Browser(other)
    refused(await program.signIn(dana), 401, 'code_required')
    refused(await give(program, first), 401, 'code_refused')
    assert.equal((await give(program, second)).status, 200)
    // Somebody else's site cannot bring a browser to it.
    const victim = new Browser(other)
    await victim.signIn(dana)
    refused(await victim.get('/v1/login/google/code', { method: 'POST', body: { code: second }, headers: { origin: 'https://evil.example' } }), 403, 'cross_site')
    await other.program.line(/"event":"google.signed_in"/)
  } finally {
    await other.stop()
  }
})

test('tokens for others, of other domains and of unverified addresses are refused', async () => {
  await link(dana)
  const wrong = {
    audience: { aud: 'another-client' }, 'authorized party': { azp: 'another-client' }, issuer: { iss: 'https://evil.example' },
    nonce: { nonce: 'other' }, domain: { hd: 'example.com' }, 'no domain': { hd: undefined }, 'a domain that ends alike': { hd: 'evil-example.org' },
    'unverified address': { email_verified: false }, 'no subject': { sub: '' }
  }
  for (const [name, instead] of Object.entries(wrong)) {
    provider.instead = instead
    const browser = new Browser()
    refused(await browser.signIn(dana), 403, 'signin_refused')
    assert.equal(browser.session, undefined, name)
  }
  for (const reason of ['audience', 'party', 'issuer', 'nonce', 'domain', 'email', 'subject']) await bridge.program.line(new RegExp(`id_token.${reason} `))
})

test('what the provider or the person declines is refused', async () => {
  const browser = new Browser()
  const way = await browser.ask(dana)
  const no = new URL(way)
  no.search = new URLSearchParams({ state: way.searchParams.get('state'), error: 'access_denied' })
  refused(await browser.back(no), 403, 'signin_refused')
  assert.equal((await browser.get(callback)).json.code, 'signin_refused')
  const twice = await browser.get(`${callback}?state=a&state=b&code=c`)
  assert.equal(twice.json.code, 'invalid_query')
})

test('a new key of the provider is found, an invented one costs one question', async () => {
  await link(dana)
  const before = provider.asked['/keys']
  await provider.rotate()
  assert.equal((await new Browser().signIn(dana)).status, 303)
  assert.equal(provider.asked['/keys'], before + 1)
  const published = provider.keys
  await provider.rotate()
  const secret = provider.keys
  provider.keys = [{ ...secret[0], jwk: published[0].jwk }] // signs with what it does not publish
  for (let i = 0; i < 3; ++i) refused(await new Browser().signIn(dana), 403, 'signin_refused')
  assert.equal(provider.asked['/keys'], before + 1, 'not twice in a minute')
  provider.keys = published
  assert.equal((await new Browser().signIn(dana)).status, 303)
})

test('keys that are known stay in use while the provider is in trouble', async () => {
  const short = await makeBridge('short').start()
  try {
    await short.bootstrap()
    provider.cacheControl = 'max-age=0'
    const browser = await new Browser(short).password()
    assert.equal((await browser.back(await browser.ask(dana, '?link=1'))).status, 303)
    provider.down.add('/keys').add('/.well-known/openid-configuration')
    const asked = provider.asked['/keys']
    assert.equal((await new Browser(short).signIn(dana)).status, 303)
    assert.ok(provider.asked['/keys'] > asked, 'it was asked for new ones')
    provider.down.add('/token')
    refused(await new Browser(short).signIn(dana), 503, 'signin_unreachable')
    provider.down.clear()
    assert.equal((await new Browser(short).signIn(dana)).status, 303)
  } finally {
    provider.cacheControl = 'public, max-age=3600'
    await short.stop()
  }
})

test('only the configured authorities and only allowed addresses are spoken to', async () => {
  const cases = {
    'foreign-authority': makeBridge('foreign-authority', { google_ca_file: makeAuthority(dir, 'other').caFile }),
    'private-address': makeBridge('private-address', {}, { webhook: { allow_private_targets: [] } }),
    'other-issuer': makeBridge('other-issuer', { google_issuer: provider.issuer.replace('127.0.0.1', 'localhost') },
      { webhook: { allow_private_targets: ['127.0.0.0/8', '::1'] } })
  }
  for (const [name, one] of Object.entries(cases)) {
    await one.start()
    try {
      await one.bootstrap()
      const asked = provider.asked['/.well-known/openid-configuration']
      refused(await new Browser(one).get('/v1/login/google'), 503, 'signin_unreachable')
      await one.program.line(/"event":"signin.document_unreadable"/)
      assert.equal(provider.asked['/.well-known/openid-configuration'], name === 'other-issuer' ? asked + 1 : asked, name)
    } finally {
      await one.stop()
    }
  }
})

test('switched off, the addresses do not exist; half switched on, it does not start', async () => {
  const off = makeBridge('off', { google_client_id: '' })
  await off.start()
  try {
    await off.bootstrap()
    for (const path of ['/v1/login/google', callback]) assert.equal((await off.call('GET', path, undefined, null)).status, 404)
    assert.equal((await off.call('GET', '/v1/login/methods', undefined, null)).json.google, false)
  } finally {
    await off.stop()
  }
  for (const [key, value] of [['google_client_secret_file', '/nowhere'], ['google_ca_file', '/nowhere'], ['google_ca_file', join(dir, 'client-secret')]]) {
    const broken = makeBridge('broken', { [key]: value })
    assert.throws(() => execFileSync(join(binDir, 'waslo-bridge'), ['serve', '--config', broken.config], { stdio: 'pipe', timeout: 20000 }),
      error => error.status > 0 && error.stderr.toString().includes(`auth.${key}`))
  }
})

test('the audit log tells of every sign-in and of every one that was refused', async () => {
  const entries = (await bridge.must('GET', '/v1/audit?limit=1000', undefined, bridge.operatorToken)).data
  const google = entries.filter(one => one.action === 'sign_in.google')
  const seen = (outcome, detail) => google.some(one => one.outcome === outcome && (detail === undefined || one.detail === detail))
  for (const detail of ['not_invited', 'state', 'spent', 'audience', 'domain', 'nonce', 'denied', 'conflict']) assert.ok(seen('refused', detail), detail)
  assert.ok(google.some(one => one.outcome === 'done' && one.actor === dana.email && one.target.startsWith('usr_')))
  assert.ok(seen('done', 'link'))
  assert.ok(entries.some(one => one.action === 'google.unlink' && one.outcome === 'done'))
})

test('no log line shows a secret, a code, a token or an address', () => {
  const text = log()
  for (const secret of [clientSecret, dana.email, dana.sub, ...provider.secrets]) assert.ok(!text.includes(secret))
  assert.ok(!/"level":"error"/.test(text))
})
