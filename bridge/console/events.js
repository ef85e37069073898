// The event log as it grows.
import { get } from './api.js'
import { h, show as put } from './dom.js'
import { clock, t } from './prefs.js'
import { button, field } from './parts.js'
import { live } from './live.js'

// One line about an event, for people.
export function summary(event) {
  const data = event.data ?? {}
  if (event.type === 'message') {
    const who = data.sender?.push_name || data.sender?.pn || data.chat?.id || ''
    return `${data.from_me ? '→' : '←'} ${who}: ${data.text?.body ?? `[${data.kind ?? ''}]`}`
  }
  if (event.type === 'message.ack') return `${data.status ?? data.ack ?? ''} ${data.message_id ?? ''}`.trim()
  if (event.type === 'session.status') return `${data.status ?? ''} ${data.reason?.message ?? ''}`.trim()
  return data.message_id ?? data.id ?? ''
}

const most = 200

export async function show({ head, body, current }) {
  let paused = false
  const held = []
  const tail = h('ol', { class: 'tail wide' })
  const none = h('p', { class: 'empty' }, t('events.none'))
  const connection = h('span', { class: 'connection', role: 'status' })
  const filter = field(t('events.type'), { name: 'type', value: '', options: [['', t('events.all')], ['message', 'message'], ['message.ack', 'message.ack'], ['session.status', 'session.status']] })
  const fits = one => filter.input.value === '' || one.dataset.type === filter.input.value
  filter.input.addEventListener('change', () => { for (const one of tail.children) one.hidden = !fits(one) })
  const pause = button(t('events.pause'), () => {
    paused = !paused
    pause.textContent = paused ? t('events.resume') : t('events.pause')
    if (!paused) for (const one of held.splice(0)) add(one)
  })
  function add(event) {
    none.hidden = true
    const line = h('li', { 'data-type': event.type }, h('details', null,
      h('summary', null, h('time', { datetime: event.occurred_at }, clock(event.occurred_at)), h('span', { class: 'kind', dir: 'ltr' }, event.type), h('span', { class: 'text', dir: 'auto' }, summary(event))),
      h('pre', { dir: 'ltr', tabindex: '0', 'aria-label': t('events.json') }, JSON.stringify(event, null, 2))))
    line.hidden = !fits(line)
    tail.prepend(line)
    while (tail.children.length > most) tail.lastElementChild.remove()
  }
  head.append(connection)
  put(body, h('div', { class: 'bar' }, filter.node, pause), none, tail)
  // The last ones first, so that the page is not blank on a quiet day.
  const end = await get('/v1/events?after=latest&limit=1')
  if (!current()) return undefined
  const from = Math.max(0, Number(end.next_cursor) - 50)
  const page = await get(`/v1/events?after=${from}&limit=50`).catch(problem => {
    if (problem.code !== 'cursor_expired') throw problem
    return get(`/v1/events?after=${problem.oldestCursor}&limit=50`)
  })
  const seen = new Set()
  for (const event of page.data) { seen.add(event.id); add(event) }
  const stops = [
    live.on(event => { if (seen.has(event.id)) return; if (paused) held.push(event); else add(event) }),
    live.onState(on => { connection.textContent = on ? t('events.live') : t('events.reconnecting'); connection.dataset.on = on })
  ]
  return () => stops.forEach(stop => stop())
}
