// One endpoint: what it is, every attempt on the wire, what was given up, and sending again.
import { get, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, guarded, panel, secret, toast } from './parts.js'
import { may } from './me.js'
import { attempts } from './attempts.js'
import { deadLetters } from './dead.js'
import { replays } from './replay.js'
import { remove, statePill, toggle, wanted } from './webhooks.js'

const every = 3000

export async function show({ title, head, body, id, current }) {
  const path = `/v1/webhooks/${id}`
  const writes = may('webhooks:write')
  const status = h('div', { class: 'status', role: 'status' })
  const actions = h('div', { class: 'actions' })
  const details = h('dl', { class: 'details' })
  const item = (label, value) => h('div', null, h('dt', null, label), h('dd', null, value))
  let hook

  async function draw() {
    const next = await get(path)
    if (!current()) return
    const same = hook && hook.state === next.state && hook.updated_at === next.updated_at
    hook = next
    if (same) return
    title.textContent = next.url
    title.setAttribute('dir', 'ltr')
    document.title = `${next.url} · Waslo Bridge`
    put(status, statePill(next), next.disabled_reason ? h('p', null, t(`webhook.why.${next.disabled_reason}`)) : null)
    put(details, item(t('webhooks.events'), wanted(next)), item(t('webhook.format'), h('span', { dir: 'ltr' }, next.format)),
      item(t('webhook.ordering'), t(`webhook.ordering.${next.ordering}`)),
      item(t('webhook.rate'), next.rate_limit ? t('webhook.rate.some', { count: next.rate_limit }) : t('webhook.rate.none')),
      item(t('webhook.secrets'), String(next.live_secrets)), item(t('webhook.since'), time(next.created_at)), item(t('id'), h('code', { dir: 'ltr' }, next.id)))
    if (!writes) return
    const focused = actions.contains(document.activeElement)
    put(actions, toggle(next, draw), button(t('webhooks.test'), test), button(t('webhooks.rotate'), rotate),
      remove(next, () => { location.hash = '#/webhooks' }))
    if (focused) actions.firstElementChild.focus()
  }
  const test = guarded(async () => {
    const { delivered, attempt } = await post(`${path}/test`)
    toast(t(delivered ? 'webhook.test.good' : 'webhook.test.bad', { status: attempt.status ?? attempt.verdict }))
    await log.refresh()
  })
  const rotate = () => confirm(t('webhooks.rotate'), t('webhooks.rotate.ask'), t('webhooks.rotate'), async () => {
    const made = await post(`${path}/rotate-secret`, {})
    dialog(t('webhooks.secret'), [h('p', null, t('webhooks.once')), secret(t('webhooks.secret'), made.secret)])
    await draw()
  })

  const sending = replays(path, writes, () => dead.reload())
  const send = name => writes ? value => sending.begin({ [name]: value }) : undefined
  const log = attempts(path, send('event_id'))
  const dead = deadLetters(path, send('dead_letter'), send('failed'))

  head.append(h('a', { class: 'back', href: '#/webhooks' }, t('webhook.back')))
  put(body, status, actions, panel(t('webhook.details'), details), log.node, dead.node, sending.node)
  await Promise.all([draw(), log.refresh(), dead.reload(), sending.refresh()])

  // Attempts make no events: what is new is asked for while somebody looks.
  let timer
  const later = () => { timer = setTimeout(look, every) }
  async function look() {
    if (!document.hidden) {
      try { await Promise.all([draw(), log.refresh(), dead.refresh(), sending.refresh()]) } catch { /* the next look tells */ }
    }
    if (current()) later()
  }
  later()
  return () => { clearTimeout(timer); sending.stop() }
}
