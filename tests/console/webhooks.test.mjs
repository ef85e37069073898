// An endpoint in the console: every attempt, what was given up, sending again; with a receiver that fails and then does not.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { randomBytes } from 'node:crypto'
import { eventually, pause, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Table, TlsBridge } from './lib/service.mjs'
import { launch, seen, Visitor } from './lib/browser.mjs'

let dir, sandbox, bridge, browser, receiver, owner, endpoint, contact, number
const password = randomBytes(12).toString('hex')
const answers = { status: 500, delay: 0 }
const evil = '<img src=x onerror="document.title=1"> try later'

before(async () => {
  dir = workDir('console-webhooks')
  receiver = { requests: [] }
  receiver.server = createServer((req, res) => {
    const parts = []
    req.on('data', part => parts.push(part))
    req.on('end', async () => {
      receiver.requests.push({ id: req.headers['webhook-id'], replay: req.headers['webhook-replay'], body: Buffer.concat(parts).toString('utf8') })
      if (answers.delay) await pause(answers.delay)
      res.statusCode = answers.status
      res.end(evil)
    })
  })
  await new Promise(resolve => receiver.server.listen(0, '127.0.0.1', resolve))
  receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`
  sandbox = await startSandbox(dir)
  bridge = await new TlsBridge(dir, sandbox, { webhook: { allow_private_targets: ['127.0.0.0/8'], schedule: ['0s', '1s', '1s'] } }).start()
  await bridge.bootstrap()
  const invited = await bridge.must('POST', `/v1/organizations/${bridge.org}/invitations`, { email: 'owner@example.org', role: 'owner' }, bridge.operatorToken)
  assert.equal((await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password }, null)).status, 201)
  number = (await bridge.pair(sandbox, 'Front desk')).me.pn
  contact = await sandbox.account('Ana')
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await bridge?.stop()
  await sandbox?.program.stop()
  receiver?.server.closeAllConnections()
  receiver?.server.close()
  if (dir) remove(dir)
})

const heading = (visitor, text) => visitor.page.getByRole('heading', { level: 1, name: text }).waitFor()
const region = name => owner.page.getByRole('region', { name, exact: true })
const attempts = () => region('Attempts').locator('.tail > li')
const letters = () => region('Dead letters').locator('.row')
const count = (what, locator, wanted) => eventually(what, async () => await locator.count() === wanted, 20000)
const ids = () => new Set(receiver.requests.map(one => one.id))

test('the owner makes an endpoint and opens its page', async () => {
  owner = await Visitor.open(browser, bridge.base)
  const { page } = owner
  await owner.goto()
  await page.getByLabel('E-mail', { exact: true }).fill('owner@example.org')
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
  await heading(owner, 'Overview')
  await page.locator('.menu a', { hasText: 'Webhooks' }).click()
  await page.getByRole('button', { name: 'New endpoint' }).click()
  await page.getByLabel('Address', { exact: true }).fill(receiver.url)
  await page.getByLabel('Event types', { exact: true }).fill('message')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('link', { name: receiver.url }).click()
  await heading(owner, receiver.url)
  endpoint = /#\/webhooks\/(whk_\w+)/.exec(page.url())[1]
  assert.equal(await page.locator('.menu a[aria-current]').textContent(), 'Webhooks')
  await region('Attempts').getByText('No attempt yet.').waitFor()
  await region('Dead letters').getByText('Nothing was given up.').waitFor()
  await owner.judge('endpoint without attempts')
})

test('every attempt appears while one looks, with its status, its times and the beginning of the answer', async () => {
  const { page } = owner
  for (const text of ['one', 'two', 'three']) await sandbox.send(contact.pn, number, text)
  await count('nine attempts', attempts(), 9)
  const first = attempts().first()
  assert.match(await first.locator('summary').textContent(), /500.*server error.*message.*attempt 3.*ms/)
  await first.locator('summary').click()
  const told = await first.textContent()
  for (const word of ['evt_', '127.0.0.1:', 'the schedule', 'First byte', 'Next attempt', `Answer (${evil.length} bytes)`]) assert.ok(told.includes(word), `${word} in ${told}`)
  assert.equal(await first.locator('pre').textContent(), evil, 'text stays text')
  assert.equal(await page.locator('.attempt img').count(), 0)
  assert.ok(await first.locator('svg.steps-bar rect').count() >= 2)
  await owner.judge('an attempt opened')
  await owner.shot('webhook')
  // What is open stays open when more comes.
  await region('Attempts').getByLabel('Show', { exact: true }).selectOption('delivered')
  await region('Attempts').getByText('No attempt yet.').waitFor()
  await region('Attempts').getByLabel('Show', { exact: true }).selectOption('failed')
  await count('the failed ones', attempts(), 9)
  await attempts().last().locator('summary').click()
  await page.getByRole('button', { name: 'Send a test' }).click()
  await page.getByText('The test failed: 500.').waitFor()
  await count('the test among them', attempts(), 10)
  assert.equal(await attempts().last().locator('details').getAttribute('open'), '')
  assert.match(await attempts().first().textContent(), /webhook\.test/)
})

test('what was given up is listed and sent again one by one', async () => {
  await count('three dead letters', letters(), 3)
  assert.match(await letters().first().textContent(), /message.*500.*server error.*3 attempts.*evt_/)
  await owner.judge('dead letters')
  answers.status = 200
  const before = receiver.requests.length
  const id = (await letters().first().locator('code').textContent()).trim()
  await letters().first().getByRole('button', { name: 'Send again' }).click()
  await region('Send again').getByText('Done: 1 queued again.').waitFor()
  await eventually('it arrives', () => receiver.requests.length === before + 1)
  assert.equal(receiver.requests.at(-1).id, id)
  assert.equal(receiver.requests.at(-1).replay, '1')
  await count('two are left', letters(), 2)
})

test('everything that was given up is sent again at once, after a question', async () => {
  const { page } = owner
  const before = receiver.requests.length
  await page.getByRole('button', { name: 'Send all again' }).click()
  await owner.judge('asking to send all again')
  await page.getByRole('dialog').getByRole('button', { name: 'Send all again' }).click()
  await region('Dead letters').getByText('Nothing was given up.').waitFor()
  await eventually('both arrive', () => receiver.requests.length === before + 2)
  assert.equal(await page.getByRole('button', { name: 'Send all again' }).count(), 0)
  // An attempt of the list, too.
  await region('Attempts').getByLabel('Show', { exact: true }).selectOption('')
  await attempts().first().locator('summary').click()
  await attempts().first().getByRole('button', { name: 'Send again' }).click()
  await eventually('it arrives', () => receiver.requests.length === before + 3)
  assert.equal(ids().size, 4, 'three messages and a test: no new id')
})

test('a time range is sent again and its progress is seen, after a reload too', async () => {
  const { page } = owner
  for (let i = 0; i < 160; i++) await sandbox.send(contact.pn, number, `more ${i}`)
  await eventually('all arrive', () => ids().size === 164, 60000)
  answers.delay = 25
  const before = receiver.requests.length
  const local = at => new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 19)
  const ask = region('Send again')
  await ask.getByLabel('From', { exact: true }).fill(local(Date.now() - 3600000))
  await ask.getByLabel('Until', { exact: true }).fill(local(Date.now() - 7200000))
  await ask.getByRole('button', { name: 'Send range again' }).click()
  await ask.getByRole('alert').filter({ hasText: 'is not after since' }).waitFor()
  await ask.getByLabel('Until', { exact: true }).fill('')
  await ask.getByRole('button', { name: 'Send range again' }).click()
  await ask.getByRole('progressbar', { name: 'Running' }).waitFor()
  await ask.getByRole('status').filter({ hasText: /\d+ looked at, \d+ queued/ }).waitFor()
  await owner.judge('a replay that runs')
  await page.reload()
  await region('Send again').getByRole('progressbar', { name: 'Running' }).waitFor()
  await region('Send again').getByText('Done: 163 queued again.').waitFor({ timeout: 60000 })
  await eventually('all arrive again', () => receiver.requests.length === before + 163, 60000)
  assert.equal(ids().size, 164)
  const bodies = new Map()
  for (const one of receiver.requests) {
    assert.equal(bodies.get(one.id) ?? one.body, one.body)
    bodies.set(one.id, one.body)
  }
  answers.delay = 0
  await count('a page of attempts', attempts(), 25)
  await region('Attempts').getByRole('button', { name: 'Show more' }).click()
  await count('the next page', attempts(), 50)
})

test('the receiver that answers 410 is shown as switched off, with the reason', async () => {
  const { page } = owner
  answers.status = 410
  await sandbox.send(contact.pn, number, 'nobody home')
  await page.locator('.status', { hasText: 'it wants no more' }).waitFor()
  await page.locator('.status', { hasText: 'Disabled' }).waitFor()
  answers.status = 200
  await page.getByRole('button', { name: 'Enable' }).click()
  await page.locator('.status', { hasText: 'Enabled' }).waitFor()
  await eventually('what was kept arrives', () => receiver.requests.filter(one => one.body.includes('nobody home')).length >= 2, 30000)
})

test('the page is there in Arabic, dark, on a phone, and a viewer may look but not send', async () => {
  const { page } = owner
  await page.getByRole('button', { name: 'Dark' }).click()
  await heading(owner, receiver.url)
  await owner.judge('endpoint dark')
  await owner.shot('webhook-dark')
  await page.getByRole('button', { name: 'Light' }).click()
  await page.setViewportSize({ width: 390, height: 844 })
  await heading(owner, receiver.url)
  await attempts().first().locator('summary').click()
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, 'wider than the phone')
  await owner.judge('endpoint phone')
  await owner.shot('webhook-phone')
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.getByRole('button', { name: 'العربية' }).click()
  await page.getByRole('heading', { name: 'المحاولات' }).waitFor()
  await page.locator('.tail > li').first().locator('summary').click()
  await owner.judge('endpoint Arabic')
  await owner.shot('webhook-ar')
  await page.getByRole('button', { name: 'English' }).click()

  const invited = await bridge.must('POST', `/v1/organizations/${bridge.org}/invitations`, { email: 'viewer@example.org', role: 'viewer' }, bridge.operatorToken)
  assert.equal((await bridge.call('POST', '/v1/invitations/accept', { token: invited.token, password }, null)).status, 201)
  const viewer = await Visitor.open(browser, bridge.base)
  await viewer.goto()
  await viewer.page.getByLabel('E-mail', { exact: true }).fill('viewer@example.org')
  await viewer.page.getByLabel('Password', { exact: true }).fill(password)
  await viewer.page.keyboard.press('Enter')
  await heading(viewer, 'Overview')
  await viewer.page.goto(`${bridge.base}/#/webhooks/${endpoint}`)
  await heading(viewer, receiver.url)
  await viewer.page.locator('.tail > li').first().locator('summary').click()
  assert.equal(await viewer.page.locator('main').getByRole('button', { name: /Send|Enable|Disable|Delete|New secret/ }).count(), 0)
  await viewer.judge('endpoint of a viewer')
  await viewer.close()
})

test('an endpoint that is gone says so', async () => {
  const { page } = owner
  await heading(owner, receiver.url)
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await heading(owner, 'Webhooks')
  await page.getByText('No endpoint yet.').waitFor()
  await page.goto(`${bridge.base}/#/webhooks/${endpoint}`)
  await page.getByRole('alert').filter({ hasText: 'There is no such thing any more.' }).waitFor()
})

test('no other host was asked, nothing broke the policy, and the judge found nothing', () => {
  assert.deepEqual([...seen.hosts], [new URL(bridge.base).host])
  assert.deepEqual(seen.refused, [])
  assert.deepEqual(seen.errors, [])
  const table = new Table('console accessibility of webhooks')
  for (const one of seen.judged) table.row(one.violations.length === 0, `${one.name}: ${one.violations.join('\n')}`)
  table.done()
  assert.ok(seen.judged.length >= 9)
})
