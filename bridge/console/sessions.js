// All WhatsApp connections of the organization, with their status as it changes.
import { all, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, dialog, field, form, list, pill, reasonNext, row } from './parts.js'
import { calm, live } from './live.js'
import { may } from './me.js'

export async function show({ head, body, current }) {
  if (may('sessions:write')) head.append(button(t('sessions.new'), create, 'primary'))
  async function draw() {
    const sessions = await all('/v1/sessions')
    if (!current()) return
    put(body, list(sessions.map(one => row(
      h('a', { href: `#/sessions/${one.id}`, dir: 'auto' }, one.name),
      [pill(one.status), one.me ? h('span', { dir: 'ltr' }, `+${one.me.pn}`) : null, h('span', null, t('since', { time: time(one.since ?? one.created_at) })),
        one.reason?.next ? h('span', { class: 'next', dir: 'auto' }, reasonNext(one.reason)) : null])), t('sessions.none')))
  }
  await draw()
  const refresh = calm(() => { draw().catch(() => {}) }, 500)
  return live.on(event => { if (event.type === 'session.status') refresh() })
}

function create() {
  const name = field(t('name'), { name: 'name', required: true, maxlength: '100', autocomplete: 'off' }, t('sessions.name.hint'))
  const asked = dialog(t('sessions.new'), form([name], t('create'), async () => {
    const made = await post('/v1/sessions', { name: name.value })
    await post(`/v1/sessions/${made.id}/start`)
    asked.close()
    location.hash = `#/sessions/${made.id}`
  }, { cancel: () => asked.close() }))
}
