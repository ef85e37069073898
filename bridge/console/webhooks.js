// Where events are delivered.
import { all, erase, get, patch, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, guarded, list, row, secret, toast } from './parts.js'
import { may, offers } from './me.js'

const words = text => text.split(/[\s,]+/).filter(Boolean)
const one = '/v1/webhooks/{id}'

export async function show({ head, body, current }) {
  const writes = may('webhooks:write')
  async function draw() {
    const endpoints = await all('/v1/webhooks')
    if (!current()) return
    put(body, list(endpoints.map(hook => row(h('code', { dir: 'ltr' }, hook.url),
      [h('span', { class: `pill s-${hook.state === 'enabled' ? 'working' : 'stopped'}` }, t(`webhooks.${hook.state}`)),
        h('span', { dir: 'auto' }, hook.events.length ? hook.events.join(', ') : t('webhooks.all')), h('span', null, t('since', { time: time(hook.created_at) }))],
      writes ? [
        button(hook.state === 'enabled' ? t('disable') : t('enable'), guarded(async () => { await patch(`/v1/webhooks/${hook.id}`, { state: hook.state === 'enabled' ? 'disabled' : 'enabled' }); await draw() })),
        offers(`${one}/test`) ? button(t('webhooks.test'), guarded(async () => { await post(`/v1/webhooks/${hook.id}/test`); toast(t('webhooks.tested')) })) : null,
        offers(`${one}/attempts`) ? button(t('webhooks.attempts'), () => attempts(hook)) : null,
        offers(`${one}/rotate-secret`) ? button(t('webhooks.rotate'), () => rotate(hook)) : null,
        button(t('delete'), () => confirm(t('webhooks.delete'), t('webhooks.delete.ask', { url: hook.url }), t('delete'), async () => { await erase(`/v1/webhooks/${hook.id}`); await draw() }), 'danger')
      ] : null)), t('webhooks.none')))
  }
  if (writes) {
    head.append(button(t('webhooks.new'), () => {
      const url = field(t('webhooks.url'), { name: 'url', type: 'url', required: true, dir: 'ltr', placeholder: 'https://', autocomplete: 'off' })
      const events = field(t('webhooks.events'), { name: 'events', dir: 'ltr', autocomplete: 'off' }, t('webhooks.events.hint'))
      const asked = dialog(t('webhooks.new'), form([url, events], t('create'), async () => {
        const made = await post('/v1/webhooks', { url: url.value, events: words(events.value) })
        put(asked.body, h('p', null, t('webhooks.once')), secret(t('webhooks.secret'), made.secret))
        await draw()
      }, { cancel: () => asked.close() }))
    }, 'primary'))
  }
  await draw()
}

function rotate(hook) {
  confirm(t('webhooks.rotate'), t('webhooks.rotate.ask'), t('webhooks.rotate'), async () => {
    const made = await post(`/v1/webhooks/${hook.id}/rotate-secret`)
    dialog(t('webhooks.secret'), [h('p', null, t('webhooks.once')), secret(t('webhooks.secret'), made.secret)])
  })
}

async function attempts(hook) {
  const shown = dialog(t('webhooks.attempts'), h('p', { class: 'empty' }, t('loading')))
  const { data } = await get(`/v1/webhooks/${hook.id}/attempts`)
  put(shown.body, list(data.map(attempt => row(h('code', { dir: 'ltr' }, attempt.event_id ?? attempt.id),
    Object.entries(attempt).filter(([, value]) => typeof value !== 'object').map(([name, value]) => h('span', { dir: 'ltr' }, `${name}: ${value}`)))), t('webhooks.no_attempts')))
}
