// One session: its status, its pairing, what just happened in it.
import { erase, get, post } from './api.js'
import { h, show as put } from './dom.js'
import { clock, t, time } from './prefs.js'
import { button, confirm, field, form, guarded, panel, pill, reasonMessage, reasonNext, toast } from './parts.js'
import { live } from './live.js'
import { may } from './me.js'
import { pairing } from './pairing.js'
import { links } from './links.js'
import { summary } from './events.js'

const isPairing = status => ['SCAN_QR_CODE', 'PASSKEY_REQUIRED', 'PASSKEY_CONFIRMATION_REQUIRED'].includes(status)

export async function show({ title, head, body, id, current }) {
  const path = `/v1/sessions/${id}`
  const writes = may('sessions:write')
  const status = h('div', { class: 'status', role: 'status' })
  const actions = h('div', { class: 'actions' })
  const details = h('dl', { class: 'details' })
  const pairingPlace = h('div')
  const linksPlace = h('div')
  const tail = h('ol', { class: 'tail' })
  const none = h('p', { class: 'empty' }, t('session.quiet'))
  let state
  let stopPairing

  async function draw() {
    const next = await get(path)
    if (!current()) return
    const before = state
    state = next
    title.textContent = next.name
    title.setAttribute('dir', 'auto')
    document.title = `${next.name} · Waslo Bridge`
    put(status, pill(next.status), next.reason?.message ? h('p', { dir: 'auto' }, reasonMessage(next.reason)) : null,
      next.reason?.next ? h('p', { class: 'next', dir: 'auto' }, reasonNext(next.reason)) : null)
    put(details,
      item(t('session.number'), next.me ? h('span', { dir: 'ltr' }, `+${next.me.pn}`) : t('session.unpaired')),
      next.me?.push_name ? item(t('name'), h('span', { dir: 'auto' }, next.me.push_name)) : null,
      item(t('session.since'), time(next.since)), item(t('session.heard'), time(next.last_seen_at)),
      item(t('id'), h('code', { dir: 'ltr' }, next.id)))
    if (before?.status === next.status && Boolean(before?.me) === Boolean(next.me)) return
    drawActions()
    if (writes && isPairing(next.status)) {
      if (!stopPairing) stopPairing = pairing(pairingPlace, path, () => state)
    } else if (stopPairing) {
      stopPairing()
      stopPairing = undefined
      put(pairingPlace)
      if (next.status === 'WORKING') toast(t('session.linked', { number: `+${next.me?.pn ?? ''}` }))
    }
    if (writes && !next.me) { if (!before || before.me) links(linksPlace, path) } else put(linksPlace)
  }
  const act = verb => guarded(async () => { await post(`${path}/${verb}`); await draw() })
  function drawActions() {
    if (!writes) return
    const off = ['STOPPED', 'FAILED'].includes(state.status)
    // The focus stays where it was when the set of buttons changes under it.
    const focused = actions.contains(document.activeElement) ? document.activeElement.textContent : undefined
    put(actions, off ? button(t('session.start'), act('start'), 'primary') : null,
      button(t('session.restart'), act('restart')), off ? null : button(t('session.stop'), act('stop')),
      state.me ? button(t('session.logout'), () => confirm(t('session.logout'), t('session.logout.ask', { name: state.name }), t('session.logout'), async () => { await post(`${path}/logout`); await draw() })) : null,
      button(t('delete'), () => confirm(t('session.delete'), t('session.delete.ask', { name: state.name }), t('delete'), async () => { await erase(path); location.hash = '#/sessions' }), 'danger'))
    if (focused) (Array.from(actions.children).find(one => one.textContent === focused) ?? actions.firstElementChild)?.focus()
  }
  const item = (label, value) => h('div', null, h('dt', null, label), h('dd', null, value))

  head.append(h('a', { class: 'back', href: '#/sessions' }, t('back')))
  put(body, status, actions, pairingPlace, panel(t('session.details'), details),
    linksPlace, may('messages:write') ? send(path) : null, panel(t('session.now'), none, tail))
  await draw()
  const stop = live.on(event => {
    if (event.session_id !== id) return
    none.hidden = true
    tail.prepend(h('li', null, h('time', { datetime: event.occurred_at }, clock(event.occurred_at)), h('span', { class: 'kind', dir: 'ltr' }, event.type), h('span', { class: 'text', dir: 'auto' }, summary(event))))
    while (tail.children.length > 20) tail.lastElementChild.remove()
    if (event.type === 'session.status') draw().catch(() => {})
  })
  return () => { stop(); stopPairing?.() }
}

function send(path) {
  const to = field(t('send.to'), { name: 'to', type: 'tel', required: true, dir: 'ltr', autocomplete: 'off' }, t('phone.hint'))
  const text = field(t('send.text'), { name: 'text', required: true, maxlength: '4096', autocomplete: 'off' })
  return panel(t('send'), form([to, text], t('send.action'), async () => {
    await post(`${path}/messages`, { to: to.value, type: 'text', text: { body: text.value } })
    text.input.value = ''
    toast(t('send.done'))
  }, { kind: 'inline' }))
}
