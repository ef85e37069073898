// Where events are delivered.
import { all, erase, patch, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, guarded, list, row, secret } from './parts.js'
import { may } from './me.js'

const words = text => text.split(/[\s,]+/).filter(Boolean)

export const statePill = hook => h('span', { class: `pill s-${hook.state === 'enabled' ? 'working' : 'stopped'}` }, t(`webhooks.${hook.state}`))
export const wanted = hook => h('span', { dir: 'auto' }, hook.events.length ? hook.events.join(', ') : t('webhooks.all'))
export const toggle = (hook, then) => button(hook.state === 'enabled' ? t('disable') : t('enable'),
  guarded(async () => { await patch(`/v1/webhooks/${hook.id}`, { state: hook.state === 'enabled' ? 'disabled' : 'enabled' }); await then() }))
export const remove = (hook, then) => button(t('delete'),
  () => confirm(t('webhooks.delete'), t('webhooks.delete.ask', { url: hook.url }), t('delete'), async () => { await erase(`/v1/webhooks/${hook.id}`); await then() }), 'danger')

export async function show({ head, body, current }) {
  const writes = may('webhooks:write')
  async function draw() {
    const endpoints = await all('/v1/webhooks')
    if (!current()) return
    put(body, list(endpoints.map(hook => row(h('a', { href: `#/webhooks/${hook.id}`, dir: 'ltr' }, hook.url),
      [statePill(hook), wanted(hook), h('span', null, t('since', { time: time(hook.created_at) }))],
      writes ? [toggle(hook, draw), remove(hook, draw)] : null)), t('webhooks.none')))
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
