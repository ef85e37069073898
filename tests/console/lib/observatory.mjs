// The score of a page by the published rules of the Mozilla HTTP Observatory (github.com/mozilla/http-observatory,
// httpobs/docs/scoring.md): 100 to begin with, a modifier per finding, bonuses only when the rest leaves 90 or more.
// Each rule looks at real answers and names its finding.

const modifiers = {
  'csp-implemented-with-no-unsafe-default-src-none': 10, 'csp-implemented-with-no-unsafe': 5, 'csp-implemented-with-unsafe-inline-in-style-src-only': 0,
  'csp-implemented-with-insecure-scheme-in-passive-content-only': -10, 'csp-implemented-with-unsafe-eval': -10, 'csp-implemented-with-insecure-scheme': -20,
  'csp-implemented-with-unsafe-inline': -20, 'csp-not-implemented': -25,
  'cookies-secure-with-httponly-sessions-and-samesite': 5, 'cookies-secure-with-httponly-sessions': 0, 'cookies-not-found': 0,
  'cookies-session-without-httponly-flag': -30, 'cookies-session-without-secure-flag': -40,
  'cross-origin-resource-sharing-not-implemented': 0, 'cross-origin-resource-sharing-implemented-with-universal-access': -50,
  'redirection-not-needed-no-http': 0, 'redirection-missing': -20,
  'referrer-policy-private': 5, 'referrer-policy-not-implemented': 0, 'referrer-policy-unsafe': -5,
  'hsts-implemented-max-age-at-least-six-months': 0, 'hsts-implemented-max-age-less-than-six-months': -10, 'hsts-not-implemented': -20,
  'sri-implemented-and-all-scripts-loaded-securely': 5, 'sri-not-implemented-but-all-scripts-loaded-from-secure-origin': 0,
  'sri-not-implemented-and-external-scripts-not-loaded-securely': -50,
  'x-content-type-options-nosniff': 0, 'x-content-type-options-not-implemented': -5,
  'x-frame-options-implemented-via-csp': 5, 'x-frame-options-sameorigin-or-deny': 0, 'x-frame-options-not-implemented': -20
}

function directives(policy) {
  return new Map((policy ?? '').split(';').map(one => one.trim().split(/\s+/)).filter(([name]) => name).map(([name, ...values]) => [name.toLowerCase(), values]))
}

function csp({ page }) {
  const found = directives(page.headers['content-security-policy'])
  if (found.size === 0) return 'csp-not-implemented'
  const of = name => found.get(name) ?? found.get('default-src') ?? ['*']
  const broad = ['*', 'https:', 'http:', 'ftp:', 'data:', 'blob:']
  const active = [...of('script-src'), ...of('object-src')]
  if (active.some(one => broad.includes(one) || one === "'unsafe-inline'")) return 'csp-implemented-with-unsafe-inline'
  const loads = ['script-src', 'object-src', 'style-src', 'font-src', 'connect-src', 'frame-src', 'worker-src', 'manifest-src'].flatMap(of)
  if (loads.some(one => /^(http|ftp):/.test(one))) return 'csp-implemented-with-insecure-scheme'
  if ([...of('script-src'), ...of('style-src')].includes("'unsafe-eval'")) return 'csp-implemented-with-unsafe-eval'
  if ([...of('img-src'), ...of('media-src')].some(one => /^(http|ftp):/.test(one))) return 'csp-implemented-with-insecure-scheme-in-passive-content-only'
  if (of('style-src').some(one => broad.includes(one) || one === "'unsafe-inline'")) return 'csp-implemented-with-unsafe-inline-in-style-src-only'
  const fallback = found.get('default-src') ?? []
  return fallback.length === 1 && fallback[0] === "'none'" ? 'csp-implemented-with-no-unsafe-default-src-none' : 'csp-implemented-with-no-unsafe'
}

function cookies({ cookies }) {
  if (cookies.length === 0) return 'cookies-not-found'
  if (cookies.some(one => !/; *secure/i.test(one))) return 'cookies-session-without-secure-flag'
  if (cookies.some(one => !/; *httponly/i.test(one))) return 'cookies-session-without-httponly-flag'
  return cookies.every(one => /; *samesite=(lax|strict)/i.test(one)) ? 'cookies-secure-with-httponly-sessions-and-samesite' : 'cookies-secure-with-httponly-sessions'
}

const cors = ({ asked }) => asked.headers['access-control-allow-origin'] === undefined
  ? 'cross-origin-resource-sharing-not-implemented' : 'cross-origin-resource-sharing-implemented-with-universal-access'

const redirection = ({ plain }) => plain === undefined ? 'redirection-not-needed-no-http' : 'redirection-missing'

function referrer({ page }) {
  const value = page.headers['referrer-policy']
  if (!value) return 'referrer-policy-not-implemented'
  return ['no-referrer', 'same-origin', 'strict-origin', 'strict-origin-when-cross-origin'].includes(value) ? 'referrer-policy-private' : 'referrer-policy-unsafe'
}

function hsts({ page }) {
  const age = /max-age=(\d+)/.exec(page.headers['strict-transport-security'] ?? '')
  if (!age) return 'hsts-not-implemented'
  return Number(age[1]) >= 15552000 ? 'hsts-implemented-max-age-at-least-six-months' : 'hsts-implemented-max-age-less-than-six-months'
}

function sri({ page }) {
  const scripts = page.text.match(/<script[^>]*\bsrc=[^>]*>/g) ?? []
  if (scripts.some(one => !/src="\//.test(one))) return 'sri-not-implemented-and-external-scripts-not-loaded-securely'
  return scripts.length > 0 && scripts.every(one => /integrity="sha(256|384|512)-[A-Za-z0-9+/]+=*"/.test(one))
    ? 'sri-implemented-and-all-scripts-loaded-securely' : 'sri-not-implemented-but-all-scripts-loaded-from-secure-origin'
}

const sniffing = ({ page }) => page.headers['x-content-type-options'] === 'nosniff' ? 'x-content-type-options-nosniff' : 'x-content-type-options-not-implemented'

function framing({ page }) {
  const ancestors = directives(page.headers['content-security-policy']).get('frame-ancestors')
  if (ancestors && !ancestors.includes('*')) return 'x-frame-options-implemented-via-csp'
  return /^(deny|sameorigin)$/i.test(page.headers['x-frame-options'] ?? '') ? 'x-frame-options-sameorigin-or-deny' : 'x-frame-options-not-implemented'
}

// `page`: the answer with the page; `asked`: the same with a foreign Origin; `cookies`: each Set-Cookie of a sign-in;
// `plain`: the answer over http, nothing when there is none.
export function score(answers) {
  const findings = [csp, cookies, cors, redirection, referrer, hsts, sri, sniffing, framing].map(rule => {
    const finding = rule(answers)
    return { rule: rule.name, finding, modifier: modifiers[finding] }
  })
  const malus = findings.reduce((sum, one) => sum + Math.min(0, one.modifier), 0)
  const bonus = findings.reduce((sum, one) => sum + Math.max(0, one.modifier), 0)
  const base = Math.max(0, 100 + malus)
  return { findings, score: base >= 90 ? base + bonus : base }
}
