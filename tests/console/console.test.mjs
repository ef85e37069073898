// The console as people use it: a real Chromium, the real bridge over TLS, the sandbox's phones.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { eventually, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Table, TlsBridge } from './lib/service.mjs'
import { launch, seen, Visitor } from './lib/browser.mjs'
import { digits } from './lib/totp.mjs'

let dir, sandbox, bridge, browser
let operator, owner
let session, contact, number
const people = {
  operator: { email: 'operator@example.org', password: randomBytes(12).toString('hex') },
  owner: { email: 'owner@example.org', password: randomBytes(12).toString('hex') }
}

before(async () => {
  dir = workDir('console')
  sandbox = await startSandbox(dir)
  bridge = await new TlsBridge(dir, sandbox).start()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await bridge?.stop()
  await sandbox?.program.stop()
  if (dir) remove(dir)
})

const menu = (visitor, word) => visitor.page.locator('.menu a', { hasText: word }).click()
// What a field of that label holds: secrets are shown in read-only fields.
const shown = (visitor, label) => visitor.page.getByLabel(label, { exact: true }).inputValue()
const heading = (visitor, text) => visitor.page.getByRole('heading', { level: 1, name: text }).waitFor()

test('the first operator is made with the setup token', async () => {
  operator = await Visitor.open(browser, bridge.base)
  await operator.goto()
  await heading(operator, 'Welcome')
  await operator.shot('setup')
  await operator.judge('setup')
  const { page } = operator
  await page.getByLabel('Setup token', { exact: true }).fill('wab_setup_wrong')
  await page.getByLabel('E-mail', { exact: true }).fill(people.operator.email)
  await page.getByLabel('Password', { exact: true }).fill(people.operator.password)
  await page.getByRole('button', { name: 'Create operator' }).click()
  await page.getByRole('alert').filter({ hasText: 'setup token' }).waitFor()
  await page.getByLabel('Setup token', { exact: true }).fill(await bridge.setupToken())
  await page.getByRole('button', { name: 'Create operator' }).click()
  await heading(operator, 'The operator exists')
  bridge.operatorToken = await shown(operator, 'Operator token')
  assert.match(bridge.operatorToken, /^wab_op_/)
  await page.getByRole('button', { name: 'Continue' }).click()
  await heading(operator, 'Organizations')
})

test('an operator creates an organization and invites its owner', async () => {
  const { page } = operator
  await page.getByRole('button', { name: 'New organization' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Corner shop')
  await operator.judge('organization dialog')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.locator('.row', { hasText: 'Corner shop' }).waitFor()
  await operator.judge('organizations')
  await operator.shot('organizations')
  await page.getByRole('button', { name: 'Invite owner' }).click()
  await page.getByLabel('E-mail', { exact: true }).fill(people.owner.email)
  await page.getByRole('button', { name: 'Make the invitation' }).click()
  people.owner.link = await shown(operator, 'Invitation link')
  assert.ok(people.owner.link.startsWith(bridge.base), people.owner.link)
  await operator.judge('invitation made')
  await page.getByRole('button', { name: 'Close' }).click()
  // What belongs to an organization is not an operator's to see.
  assert.equal(await page.locator('.menu a', { hasText: 'Sessions' }).count(), 0)
})

test('the invited owner chooses a password, and signs in by keyboard alone', async () => {
  owner = await Visitor.open(browser, bridge.base)
  const { page } = owner
  await page.goto(people.owner.link)
  await heading(owner, 'You are invited')
  await owner.judge('invitation')
  await page.getByLabel('Password', { exact: true }).fill(people.owner.password)
  await page.getByRole('button', { name: 'Open account' }).click()
  await eventually('the next page', async () => /Sign in|Overview/.test(await page.locator('h1').first().textContent()), 20000)
  if (await page.getByRole('button', { name: 'Sign out' }).count()) await page.getByRole('button', { name: 'Sign out' }).click()
  await heading(owner, 'Sign in')
  await owner.shot('signin')
  await owner.judge('sign-in')
  const press = async (text, key = 'Tab') => { await page.keyboard.type(text); await page.keyboard.press(key) }
  assert.equal(await page.evaluate(() => document.activeElement.name), 'email')
  await press(people.owner.email)
  await press('not the password', 'Enter')
  await page.getByRole('alert').filter({ hasText: 'E-mail or password is wrong.' }).waitFor()
  await owner.judge('sign-in refused')
  assert.equal(await page.evaluate(() => document.activeElement.name), 'password')
  await page.keyboard.press('Control+A')
  await press(people.owner.password, 'Enter')
  await heading(owner, 'Overview')
  assert.match(await page.locator('.who').textContent(), /owner@example\.org/)
  // By keyboard to the sessions: the skip link is the first stop, the menu follows.
  await page.keyboard.press('Tab')
  const reached = async name => {
    for (let i = 0; i < 20; i++) {
      if (await page.evaluate(() => document.activeElement.textContent) === name) return true
      await page.keyboard.press('Shift+Tab')
    }
    return false
  }
  assert.ok(await reached('Sessions'))
  await page.keyboard.press('Enter')
  await heading(owner, 'Sessions')
})

test('a number is paired by the QR code on the page, live', async () => {
  const { page } = owner
  await page.getByRole('button', { name: 'New session' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Front desk')
  await page.keyboard.press('Enter')
  await heading(owner, 'Front desk')
  const image = page.getByRole('img', { name: 'QR code to scan with WhatsApp' })
  await page.locator('img.qr[data-code]').waitFor()
  await eventually('the drawn code', () => image.evaluate(one => one.complete && one.naturalWidth > 100), 10000)
  await page.locator('.status', { hasText: 'Waiting for scan' }).waitFor()
  await owner.shot('pairing')
  await owner.judge('pairing')
  const code = await image.getAttribute('data-code')
  assert.ok((await sandbox.scan(code)).status < 300)
  await page.locator('.status', { hasText: 'Working' }).waitFor()
  session = /#\/sessions\/(ses_\w+)/.exec(page.url())[1]
  number = /\+(\d+)/.exec(await page.locator('.details').textContent())[1]
  await owner.judge('working session')
})

test('a message arrives while one looks', async () => {
  const { page } = owner
  contact = await sandbox.account('Ana')
  await sandbox.send(contact.pn, number, 'Is the shop open on Sunday?')
  await page.locator('.tail', { hasText: 'Is the shop open on Sunday?' }).waitFor()
  await page.getByLabel('To', { exact: true }).fill(contact.pn)
  await page.getByLabel('Message', { exact: true }).fill('From ten to four.')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await eventually('the answer', async () => JSON.stringify(await sandbox.inbox(contact.pn)).includes('From ten to four.'))
  await owner.shot('session')
  await menu(owner, 'Events')
  await page.locator('.tail summary', { hasText: 'Is the shop open on Sunday?' }).click()
  await page.locator('pre', { hasText: '"type": "message"' }).first().waitFor()
  await page.locator('.connection', { hasText: 'Live' }).waitFor()
  await sandbox.send(contact.pn, number, 'Thank you!')
  await page.locator('.tail', { hasText: 'Thank you!' }).waitFor()
  await owner.judge('events')
  await owner.shot('events')
})

test('a session is restarted and comes back', async () => {
  const { page } = owner
  await menu(owner, 'Sessions')
  await page.getByRole('link', { name: 'Front desk' }).click()
  await heading(owner, 'Front desk')
  await page.locator('.status', { hasText: 'Working' }).waitFor()
  await page.getByRole('button', { name: 'Restart' }).click()
  await page.locator('.tail .kind', { hasText: 'session.status' }).first().waitFor()
  await page.locator('.tail', { hasText: 'WORKING' }).waitFor()
  await page.locator('.status', { hasText: 'Working' }).waitFor()
})

test('a token is made, works, and is refused once it is revoked', async () => {
  const { page } = owner
  await menu(owner, 'Tokens')
  await page.getByRole('button', { name: 'New token' }).click()
  await page.getByLabel('Name', { exact: true }).fill('backend')
  await owner.judge('token dialog')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const token = await shown(owner, 'Token')
  await owner.judge('token shown once')
  await page.getByRole('button', { name: 'Copy' }).click()
  await page.getByText('Copied.').waitFor()
  await page.getByRole('button', { name: 'Close' }).click()
  assert.equal((await bridge.call('GET', '/v1/sessions', undefined, token)).status, 200)
  const row = page.locator('.row', { hasText: 'backend' })
  await row.getByRole('button', { name: 'Revoke' }).click()
  await owner.judge('asking')
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await row.waitFor({ state: 'detached' })
  assert.equal((await bridge.call('GET', '/v1/sessions', undefined, token)).status, 401)
})

test('an endpoint is made and its secret is shown once', async () => {
  const { page } = owner
  await menu(owner, 'Webhooks')
  await page.getByText('No endpoint yet.').waitFor()
  await page.getByRole('button', { name: 'New endpoint' }).click()
  await page.getByLabel('Address', { exact: true }).fill('https://127.0.0.1:9/hook')
  await page.getByLabel('Event types', { exact: true }).fill('message, message.*')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  assert.match(await shown(owner, 'Secret'), /^whsec_/)
  await page.getByRole('button', { name: 'Close' }).click()
  await page.locator('.row', { hasText: 'https://127.0.0.1:9/hook' }).waitFor()
  await page.getByRole('button', { name: 'Disable' }).click()
  await page.locator('.row', { hasText: 'Disabled' }).waitFor()
  await owner.judge('webhooks')
})

test('what changes the account asks for the password again when the sign-in is old, and goes on', async () => {
  const { page } = owner
  // As the service answers after five minutes.
  await page.route('**/v1/me/totp', route => route.fulfill({
    status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'forbidden', title: 'This token may not do that' })
  }), { times: 1 })
  await menu(owner, 'Account')
  await page.getByRole('button', { name: 'Set up' }).click()
  const asked = page.getByRole('dialog')
  await asked.getByLabel('Present password', { exact: true }).fill('not the password')
  await asked.getByRole('button', { name: 'Continue' }).click()
  await asked.getByRole('alert').filter({ hasText: 'E-mail or password is wrong.' }).waitFor()
  await asked.getByLabel('Present password', { exact: true }).fill(people.owner.password)
  await asked.getByRole('button', { name: 'Continue' }).click()
  await page.getByLabel('Address for apps', { exact: true }).waitFor()
  assert.match(await page.getByLabel('Address for apps', { exact: true }).inputValue(), /^otpauth:/)
  await owner.judge('second factor')
})

test('a stranger pairs one session by a link, and only once', async () => {
  const { page } = owner
  await menu(owner, 'Sessions')
  await page.getByRole('button', { name: 'New session' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Branch office')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await heading(owner, 'Branch office')
  await page.getByRole('button', { name: 'New pairing link' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click()
  const link = await shown(owner, 'Link')
  assert.ok(link.startsWith(`${bridge.base}/pair#`))
  assert.equal(/wab_|ses_|org_/.test(link), false)
  await page.getByRole('button', { name: 'Close' }).click()

  const stranger = await Visitor.open(browser, bridge.base, { viewport: { width: 390, height: 844 }, locale: 'en-GB' })
  await stranger.page.goto(link)
  await heading(stranger, 'Link your phone')
  assert.equal(stranger.page.url(), `${bridge.base}/pair`)
  await stranger.page.locator('img.qr[src^="data:image/svg"]').waitFor()
  await stranger.page.getByText('Branch office').waitFor()
  await stranger.shot('pair-phone')
  await stranger.judge('pairing page')
  for (const path of ['/v1/sessions', '/v1/events', '/v1/tokens', '/v1/overview', '/v1/me']) {
    assert.equal(await stranger.page.evaluate(async one => (await fetch(one)).status, path), 401, path)
  }
  const late = await Visitor.open(browser, bridge.base)
  await late.page.goto(link)
  await heading(late, 'This link does not work')
  await late.judge('dead link')
  await late.close()

  await stranger.page.getByLabel('Phone number', { exact: true }).fill((await sandbox.account('Branch')).pn)
  await stranger.page.getByRole('button', { name: 'Get a code' }).click()
  const typed = (await stranger.page.locator('.big-code').textContent()).trim()
  assert.match(typed, /^[A-Z0-9]{4}-?[A-Z0-9]{4}$/)
  await stranger.judge('pairing code')
  const phone = await stranger.page.getByLabel('Phone number', { exact: true }).inputValue()
  const entered = await sandbox.admin('POST', '/mock-phone/enter-code', { phone, code: typed.replace('-', '') })
  assert.ok(entered.status < 300, entered.text)
  await stranger.page.getByText('Linked. Your number is').waitFor()
  await stranger.shot('pair-done')
  await stranger.judge('linked')
  // The owner's page noticed, without being asked.
  await page.locator('.status', { hasText: 'Working' }).waitFor()
  await stranger.close()
})

const views = [['Overview', 'نظرة عامة', 'overview'], ['Sessions', 'الجلسات', 'sessions'], ['Webhooks', 'خطافات الويب', 'webhooks'], ['Events', 'الأحداث', 'events'],
  ['Tokens', 'الرموز', 'tokens'], ['Users', 'المستخدمون', 'users'], ['Audit log', 'سجل التدقيق', 'audit'], ['Account', 'الحساب', 'account']]

async function settled(visitor) {
  await eventually('the view', async () => await visitor.page.locator('.body').count() > 0 && !/Loading…|جارٍ التحميل…/.test(await visitor.page.locator('.body').textContent()), 20000)
}

test('every view is there in English and Arabic, light and dark, wide and narrow', async () => {
  const { page } = owner
  const names = await page.locator('.menu a').allTextContents()
  assert.deepEqual(names, views.map(one => one[0]))
  for (const dark of [false, true]) {
    if (dark) await page.getByRole('button', { name: 'Dark' }).click()
    for (const [name, , file] of views) {
      await menu(owner, name)
      await heading(owner, name)
      await settled(owner)
      await owner.judge(`${file} ${dark ? 'dark' : 'light'}`)
      await owner.shot(`${file}-${dark ? 'dark' : 'light'}`)
    }
  }
  await page.setViewportSize({ width: 390, height: 844 })
  for (const [name, , file] of views) {
    await menu(owner, name)
    await heading(owner, name)
    await settled(owner)
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, `${name} is wider than the phone`)
    await owner.judge(`${file} phone`)
    await owner.shot(`${file}-phone`)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.getByRole('button', { name: 'Light' }).click()
  await page.getByRole('button', { name: 'العربية' }).click()
  assert.equal(await page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dir}`), 'ar rtl')
  for (const [, name, file] of views) {
    await menu(owner, name)
    await heading(owner, name)
    await settled(owner)
    await owner.judge(`${file} Arabic`)
    await owner.shot(`${file}-ar`)
  }
  await page.goto(`${bridge.base}/#/sessions/${session}`)
  await page.locator('.status', { hasText: 'تعمل' }).waitFor()
  await owner.judge('session Arabic')
  await owner.shot('session-ar')
  // The choice is kept.
  await page.reload()
  await page.locator('.menu a', { hasText: 'الجلسات' }).waitFor()
  await page.getByRole('button', { name: 'English' }).click()
})

test('a second factor is asked for at the sign-in', async () => {
  const { page } = owner
  await menu(owner, 'Account')
  await page.getByRole('button', { name: 'Set up' }).click()
  const secret = await shown(owner, 'Secret')
  await owner.judge('second factor')
  await page.getByLabel('Authentication code', { exact: true }).fill(digits(secret))
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.getByText('Keep these recovery codes.').waitFor()
  const recovery = (await page.locator('.codes code').first().textContent()).trim()
  await owner.judge('recovery codes')
  await page.getByRole('button', { name: 'Sign out' }).first().click()
  await heading(owner, 'Sign in')
  await page.getByLabel('E-mail', { exact: true }).fill(people.owner.email)
  await page.getByLabel('Password', { exact: true }).fill(people.owner.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  // A code opens once, so the recovery code is used here.
  await page.getByLabel('Authentication code', { exact: true }).fill(recovery)
  await owner.judge('sign-in with a code')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await heading(owner, 'Overview')
})

test('no other host was asked, nothing broke the policy, and the judge found nothing', () => {
  assert.deepEqual([...seen.hosts], [new URL(bridge.base).host])
  assert.deepEqual(seen.refused, [])
  assert.deepEqual(seen.errors, [])
  const table = new Table('console accessibility')
  for (const one of seen.judged) table.row(one.violations.length === 0, `${one.name}: ${one.violations.join('\n')}`)
  table.done()
  assert.ok(seen.judged.length >= 40)
})
