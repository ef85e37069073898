// The console: who is signed in, which view is on show, the frame around it.
import { get, post, onSignedOut } from './api.js'
import { h, show } from './dom.js'
import { applyPrefs, t } from './prefs.js'
import { button, switches, toast, sentence } from './parts.js'
import { live } from './live.js'
import { loadMe, me, forgetMe, may, isOperator, offers } from './me.js'
import * as signin from './signin.js'
import * as overview from './overview.js'
import * as sessions from './sessions.js'
import * as session from './session.js'
import * as webhooks from './webhooks.js'
import * as webhook from './webhook.js'
import * as events from './events.js'
import * as tokens from './tokens.js'
import * as users from './users.js'
import * as organizations from './organizations.js'
import * as audit from './audit.js'
import * as account from './account.js'

const app = document.getElementById('app')

// Address in the fragment, view, place in the menu, who may.
const views = [
  { path: 'overview', view: overview, menu: true, may: () => !isOperator() && may('sessions:read') },
  { path: 'organizations', view: organizations, menu: true, may: isOperator },
  { path: 'sessions', view: sessions, menu: true, may: () => !isOperator() && may('sessions:read') },
  { path: 'sessions/:id', view: session, under: 'sessions', may: () => !isOperator() && may('sessions:read') },
  { path: 'webhooks', view: webhooks, menu: true, may: () => !isOperator() && may('webhooks:read') },
  { path: 'webhooks/:id', view: webhook, under: 'webhooks', may: () => !isOperator() && may('webhooks:read') },
  { path: 'events', view: events, menu: true, may: () => !isOperator() && may('events:read') },
  { path: 'tokens', view: tokens, menu: true, may: () => !isOperator() && may('tokens:read') },
  { path: 'users', view: users, menu: true, may: () => offers('/v1/users') && (isOperator() || may('users:read')) },
  { path: 'audit', view: audit, menu: true, may: () => offers('/v1/audit') && (isOperator() || may('audit:read')) },
  { path: 'account', view: account, menu: true, may: () => offers('/v1/me') }
]

// Who must have a second factor and has none gets only the place to turn it on.
const open = one => one.may() && (!me()?.second_factor_missing || one.path === 'account')

function find(fragment) {
  const parts = fragment.split('/')
  for (const one of views) {
    const pattern = one.path.split('/')
    if (pattern.length !== parts.length) continue
    if (pattern.every((part, i) => part.startsWith(':') || part === parts[i])) return { one, id: pattern.length > 1 ? parts[1] : undefined }
  }
  return undefined
}

let leave = () => {}
let drawn = 0

function frame() {
  const allowed = views.filter(one => one.menu && open(one))
  const main = h('main', { id: 'main', tabindex: '-1' })
  const menu = h('nav', { class: 'menu', 'aria-label': t('menu') },
    h('ul', null, allowed.map(one => h('li', null, h('a', { href: `#/${one.path}`, 'data-path': one.path }, t(`nav.${one.path}`))))))
  show(app,
    h('a', { class: 'skip', href: '#main', onclick: event => { event.preventDefault(); main.focus() } }, t('skip')),
    h('header', { class: 'top' },
      h('div', { class: 'brand' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', null, 'Waslo Bridge')),
      h('p', { class: 'who' }, h('span', { dir: 'ltr' }, me()?.email ?? '')),
      switches(() => { frame(); route() }),
      button(t('signout'), signOut, 'ghost')),
    h('div', { class: 'columns' }, menu, main))
  return main
}

async function signOut() {
  try { await post('/v1/logout') } catch (problem) { toast(sentence(problem)) }
  forgetMe()
  live.stop()
  location.hash = ''
  start()
}

async function route() {
  const main = document.getElementById('main')
  if (!main || !me()) return
  const turn = ++drawn
  leave()
  leave = () => {}
  const found = find(location.hash.replace(/^#\/?/, ''))
  if (!found || !open(found.one)) {
    const first = views.find(one => one.menu && open(one))
    if (first) location.replace(`#/${first.path}`)
    return
  }
  const { one, id } = found
  for (const link of document.querySelectorAll('.menu a')) {
    if (link.dataset.path === (one.under ?? one.path)) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  const title = h('h1', { tabindex: '-1' }, t(`nav.${one.under ?? one.path}`))
  const head = h('div', { class: 'head' }, title)
  const body = h('div', { class: 'body' }, h('p', { class: 'empty' }, t('loading')))
  show(main, head, body)
  document.title = `${t(`nav.${one.under ?? one.path}`)} · Waslo Bridge`
  title.focus({ preventScroll: true })
  try {
    const stop = await one.view.show({ head, title, body, id, current: () => turn === drawn })
    if (turn === drawn) leave = stop ?? (() => {})
    else stop?.()
  } catch (problem) {
    if (turn === drawn) show(body, h('p', { class: 'error', role: 'alert' }, sentence(problem)))
  }
}

export async function start() {
  applyPrefs()
  drawn++
  leave()
  leave = () => {}
  const invitation = /^#\/invitations?\/(.+)$/.exec(location.hash)
  if (invitation) return signin.accept(app, decodeURIComponent(invitation[1]), start)
  const reset = /^#\/password-reset\/(.+)$/.exec(location.hash)
  if (reset) return signin.reset(app, decodeURIComponent(reset[1]), start)
  const state = await loadMe()
  if (state === 'setup') return signin.setup(app, start)
  if (state === 'out') return signin.show(app, start)
  if (state === 'down') {
    return show(app, h('main', { class: 'alone' }, h('h1', null, 'Waslo Bridge'), h('p', { class: 'error', role: 'alert' }, t('problem.unreachable')), button(t('again'), start, 'primary')))
  }
  if (!isOperator() && may('events:read') && !me().second_factor_missing) live.start()
  frame()
  route()
}

onSignedOut(() => {
  if (!me()) return
  forgetMe()
  live.stop()
  start()
})
addEventListener('hashchange', () => /^#\/(invitations?|password-reset)\//.test(location.hash) ? start() : route())
start()
