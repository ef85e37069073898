// A real Chromium that is watched: which hosts it asks, what its policy refuses, what a judge of accessibility finds.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const shots = fileURLToPath(new URL('../../../build/test-results/console/', import.meta.url))
mkdirSync(shots, { recursive: true })

export function launch(...more) {
  return chromium.launch({
    executablePath: process.env.WAB_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...more]
  })
}

// What every page of every visitor did; the last test looks at it.
export const seen = { hosts: new Set(), refused: [], errors: [], judged: [] }

export class Visitor {
  static async open(browser, base, options = {}) {
    const visitor = new Visitor()
    visitor.base = base
    visitor.context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce', ...options })
    visitor.page = await visitor.context.newPage()
    visitor.page.setDefaultTimeout(20000)
    visitor.page.on('request', request => { if (!request.url().startsWith('data:')) seen.hosts.add(new URL(request.url()).host) })
    visitor.page.on('websocket', socket => seen.hosts.add(new URL(socket.url()).host))
    visitor.page.on('pageerror', error => seen.errors.push(error.message))
    visitor.page.on('console', message => {
      if (/Content Security Policy|Trusted ?Type|Refused to/i.test(message.text())) seen.refused.push(message.text())
    })
    // The policy's own reports, besides what the browser prints.
    await visitor.context.exposeBinding('tellViolation', (_, text) => { seen.refused.push(text) })
    await visitor.context.addInitScript(() => addEventListener('securitypolicyviolation', event => window.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)))
    return visitor
  }
  goto(path = '/') {
    return this.page.goto(this.base + path)
  }
  close() {
    return this.context.close()
  }
  async shot(name) {
    await this.page.screenshot({ path: join(shots, `${name}.png`), fullPage: true })
  }
  // Violations that axe-core finds, judged in a world of its own: the page's policy admits no foreign script.
  async judge(name) {
    const client = await this.context.newCDPSession(this.page)
    const { frameTree } = await client.send('Page.getFrameTree')
    const { executionContextId } = await client.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' })
    await client.send('Runtime.evaluate', { expression: axe, contextId: executionContextId })
    const { result, exceptionDetails } = await client.send('Runtime.evaluate', {
      expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(found => JSON.stringify({ passes: found.passes.length, violations:
        found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 160) + ' ' + node.failureSummary).join(' | ')) }))`,
      contextId: executionContextId, awaitPromise: true, returnByValue: true
    })
    await client.detach()
    if (exceptionDetails) throw new Error(`axe: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`)
    const found = JSON.parse(result.value)
    if (found.passes < 5) throw new Error(`axe looked at nothing in ${name}`)
    seen.judged.push({ name, violations: found.violations })
    return found.violations
  }
}
