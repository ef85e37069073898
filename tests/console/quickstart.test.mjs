// What the README tells a newcomer to do, done by a browser: quickstart, sign in, a session, a scan.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { binDir, remove, workDir } from '../e2e/lib/programs.mjs'
import { launch, Visitor } from './lib/browser.mjs'

const script = fileURLToPath(new URL('../../scripts/quickstart', import.meta.url))

test('a newcomer pairs a number in the console as the README says', async () => {
  const dir = workDir('newcomer')
  const place = join(dir, 'tour')
  const run = async (...args) => (await promisify(execFile)(script, [...args, '--bin', binDir, '--dir', place], { timeout: 200000 })).stdout
  const began = Date.now()
  let browser
  try {
    const told = await run()
    const [, console_, email, password] = /console +(\S+)\/\n +sign in as (\S+) with the password (\S+)/.exec(told)
    browser = await launch()
    const newcomer = await Visitor.open(browser, console_)
    const { page } = newcomer
    await newcomer.goto()
    await page.getByLabel('E-mail', { exact: true }).fill(email)
    await page.getByLabel('Password', { exact: true }).fill(password)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    await page.locator('.menu a', { hasText: 'Sessions' }).click()
    await page.getByRole('button', { name: 'New session' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Front desk')
    await page.keyboard.press('Enter')
    await page.locator('img.qr[data-code]').waitFor()
    assert.match(await run('--scan'), /Front desk: scanned by the virtual phone, WORKING/)
    await page.locator('.status', { hasText: 'Working' }).waitFor()
    assert.ok(Date.now() - began < 600000)
  } finally {
    await browser?.close()
    await run('--stop').catch(() => undefined)
    remove(dir)
  }
})
