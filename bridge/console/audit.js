// Who did what: the hash-chained log, newest first.
import { get } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, guarded } from './parts.js'

export async function show({ head, body, current }) {
  const rows = h('tbody')
  const more = h('div', { class: 'actions' })
  const table = h('table', null, h('caption', { class: 'hidden' }, t('nav.audit')),
    h('thead', null, h('tr', null, ['at', 'action', 'actor', 'target', 'outcome', 'address'].map(one => h('th', { scope: 'col' }, t(`audit.${one}`))))), rows)
  async function draw(after) {
    const page = await get(`/v1/audit?order=desc&limit=50${after ? `&after=${after}` : ''}`)
    if (!current()) return
    for (const one of page.data) {
      rows.append(h('tr', null, h('td', null, time(one.at)), h('td', { dir: 'ltr' }, one.action), [one.actor, one.target].map(text => h('td', { class: 'id', dir: 'ltr', title: text }, text)),
        h('td', null, h('span', { class: `pill o-${one.outcome}` }, t(`outcome.${one.outcome}`))), h('td', { dir: 'ltr' }, one.address)))
    }
    put(more, page.next_cursor ? button(t('more'), guarded(() => draw(page.next_cursor))) : null)
  }
  head.append(h('a', { class: 'button', href: '/v1/audit/export', download: 'audit.ndjson' }, t('audit.export')))
  put(body, h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('nav.audit') }, table), more)
  await draw()
}
