// The organization at a glance.
import { get } from './api.js'
import { h, show as put } from './dom.js'
import { number, t } from './prefs.js'
import { panel, pill } from './parts.js'
import { bars, shares } from './plot.js'
import { calm, live } from './live.js'

const tile = (label, value, note) => h('div', { class: 'tile' }, h('dt', null, label), h('dd', null, value, note ? h('span', { class: 'note' }, note) : null))

export async function show({ body, current }) {
  async function draw() {
    const data = await get('/v1/overview')
    if (!current()) return
    const { sessions, webhooks, events } = data
    const working = sessions.by_status.find(one => one.status === 'WORKING')?.count ?? 0
    const messages = events?.steps.reduce((sum, one) => sum + one.messages, 0)
    put(body,
      h('dl', { class: 'tiles' },
        tile(t('overview.working'), number(working), t('overview.of', { total: number(sessions.total) })),
        events ? tile(t('overview.recent'), number(messages), t('overview.window')) : null,
        webhooks ? tile(t('nav.webhooks'), number(webhooks.enabled), t('overview.of', { total: number(webhooks.total) })) : null),
      events ? panel(t('overview.traffic'),
        bars(events, t('overview.traffic.label', { count: number(messages) })),
        events.complete ? null : h('p', { class: 'hint' }, t('overview.partial'))) : null,
      panel(t('nav.sessions'), sessions.total === 0
        ? h('p', { class: 'empty' }, t('sessions.none'), ' ', h('a', { href: '#/sessions' }, t('sessions.new')))
        : [shares(sessions.by_status, t('overview.shares')), h('ul', { class: 'legend-list' }, sessions.by_status.map(one =>
            h('li', null, pill(one.status), h('span', { class: 'count' }, number(one.count)))))]))
  }
  await draw()
  const refresh = calm(() => { draw().catch(() => {}) }, 1500)
  return live.on(refresh)
}
