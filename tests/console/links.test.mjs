// A pairing link in a stranger's browser: over TLS, against the sandbox's phones.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { eventually, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { Table, TlsBridge } from './lib/service.mjs'
import { launch, seen, Visitor } from './lib/browser.mjs'

let dir, sandbox, bridge, browser
before(async () => {
  dir = workDir('links')
  sandbox = await startSandbox(dir)
  bridge = await new TlsBridge(dir, sandbox).start()
  await bridge.bootstrap()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await bridge?.stop()
  await sandbox?.program.stop()
  if (dir) remove(dir)
})

const heading = (visitor, text) => visitor.page.getByRole('heading', { level: 1, name: text }).waitFor()
async function made(name) {
  const session = await bridge.must('POST', '/v1/sessions', { name })
  const link = await bridge.must('POST', `/v1/sessions/${session.id}/pairing-links`, { expires_in: 3600 })
  assert.ok(link.url.startsWith(`${bridge.base}/pair#`), link.url)
  return { session, link }
}

test('whoever follows the link scans the code on the page, and the session works', async () => {
  const { session, link } = await made('Branch office')
  const stranger = await Visitor.open(browser, bridge.base, { viewport: { width: 390, height: 844 } })
  const { page } = stranger
  await page.goto(link.url)
  await heading(stranger, 'Link your phone')
  assert.equal(page.url(), `${bridge.base}/pair`, 'the secret stays in the address')
  await page.locator('img.qr[src^="data:image/svg"]').waitFor()
  await eventually('the drawn code', () => page.locator('img.qr').evaluate(one => one.complete && one.naturalWidth > 100), 10000)
  await page.getByText('Branch office').waitFor()
  await stranger.shot('link-phone')
  await stranger.judge('pairing page')
  // The same visit after a reload, but not in another browser.
  await page.reload()
  await page.locator('img.qr[src^="data:image/svg"]').waitFor()
  const late = await Visitor.open(browser, bridge.base)
  await late.page.goto(link.url)
  await heading(late, 'This link does not work')
  await late.judge('dead link')
  await late.close()
  for (const path of ['/v1/sessions', '/v1/events', '/v1/tokens', '/v1/overview', `/v1/sessions/${session.id}`, `/v1/sessions/${session.id}/qr`]) {
    assert.equal(await page.evaluate(async one => (await fetch(one)).status, path), 401, path)
  }
  const { code } = await bridge.qr(session.id)
  assert.ok((await sandbox.scan(code)).status < 300)
  await page.getByText('Linked. Your number is').waitFor()
  await bridge.until(session.id, 'WORKING')
  await stranger.judge('linked')
  await stranger.close()
})

test('a code to type works too, in Arabic and in the dark', async () => {
  const { session, link } = await made('فرع المدينة')
  const stranger = await Visitor.open(browser, bridge.base, { viewport: { width: 390, height: 844 }, locale: 'ar', colorScheme: 'dark' })
  const { page } = stranger
  await page.goto(link.url)
  await heading(stranger, 'اربط هاتفك')
  assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl')
  await page.locator('img.qr[src^="data:image/svg"]').waitFor()
  await stranger.judge('pairing page, Arabic, dark')
  const { pn } = await sandbox.account('Branch')
  await page.getByLabel('رقم الهاتف', { exact: true }).fill(`+${pn}`)
  await page.getByRole('button', { name: 'احصل على رمز' }).click()
  const code = (await page.locator('.big-code').textContent()).trim()
  await stranger.judge('pairing code, Arabic, dark')
  await stranger.shot('link-arabic')
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390)
  const entered = await sandbox.must('POST', '/mock-phone/enter-code', { phone: pn, code: code.replace('-', '') })
  assert.ok(entered)
  await page.locator('.done').waitFor()
  assert.equal((await bridge.status(session.id)).me.pn, pn)
  await stranger.close()
})

test('revoking a link ends the visit that came by it', async () => {
  const { session, link } = await made('Revoked')
  const stranger = await Visitor.open(browser, bridge.base)
  await stranger.page.goto(link.url)
  await heading(stranger, 'Link your phone')
  await bridge.must('DELETE', `/v1/sessions/${session.id}/pairing-links/${link.id}`)
  assert.equal(await stranger.page.evaluate(async () => (await fetch('/v1/pairing')).status), 404)
  await stranger.page.reload()
  await heading(stranger, 'This link does not work')
  const { data } = await bridge.must('GET', `/v1/sessions/${session.id}/pairing-links`)
  assert.deepEqual(data, [])
  await stranger.close()
})

test('no other host was asked, nothing broke the policy, and the judge found nothing', () => {
  assert.deepEqual([...seen.hosts], [new URL(bridge.base).host])
  assert.deepEqual(seen.refused, [])
  assert.deepEqual(seen.errors, [])
  const table = new Table('pairing page accessibility')
  for (const one of seen.judged) table.row(one.violations.length === 0, `${one.name}: ${one.violations.join('\n')}`)
  table.done()
  assert.ok(seen.judged.length >= 5)
})
