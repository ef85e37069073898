// Deliveries that were given up: kept for 30 days, to be sent again one by one or all together.
import { get } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, guarded, panel } from './parts.js'
import { verdict } from './attempts.js'

// `again` sends one by its number, `allAgain` all; without them nobody may.
export function deadLetters(path, again, allAgain) {
  const rows = h('ul', { class: 'rows' })
  const none = h('p', { class: 'empty' }, t('dead.none'))
  const more = h('div', { class: 'actions' })
  const bulk = h('div', { class: 'actions' })
  const ask = cursor => get(`${path}/dead-letters?limit=25${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
  const shown = one => h('li', { class: 'row', 'data-number': one.number },
    h('div', { class: 'row-main' }, h('span', { dir: 'ltr' }, one.event_type)),
    h('div', { class: 'row-meta' }, h('span', { class: 'pill o-failed', dir: 'ltr' }, one.status ?? '–'), h('span', null, verdict(one.verdict)),
      h('span', null, t('dead.attempts', { count: one.attempts })), h('span', null, time(one.exhausted_at)), h('code', { dir: 'ltr' }, one.event_id)),
    again ? h('div', { class: 'row-actions' }, button(t('replay.one'), guarded(() => again(one.number)))) : null)
  const offerMore = cursor => put(more, cursor ? button(t('more'), guarded(async () => {
    const next = await ask(cursor)
    rows.append(...next.data.map(shown))
    offerMore(next.next_cursor)
  })) : null)
  function settle() {
    const some = rows.children.length > 0
    rows.hidden = !some
    none.hidden = some
    if (!again || some === bulk.children.length > 0) return
    put(bulk, some ? button(t('dead.all'), () => confirm(t('dead.all'), t('dead.all.ask'), t('dead.all'), async () => { await allAgain(true) })) : null)
  }
  async function reload() {
    const { data, next_cursor } = await ask()
    put(rows, data.map(shown))
    offerMore(next_cursor)
    settle()
  }
  // What came and what went, without moving the rest under somebody's fingers.
  async function refresh() {
    const { data, next_cursor } = await ask()
    const there = new Map(Array.from(rows.children, one => [Number(one.dataset.number), one]))
    if (there.size === 0) offerMore(next_cursor)
    const newest = Math.max(0, ...there.keys())
    rows.prepend(...data.filter(one => one.number > newest).map(shown))
    const oldest = next_cursor ? Math.min(...data.map(one => one.number)) : 0
    const left = new Set(data.map(one => one.number))
    for (const [number, one] of there) if (number >= oldest && !left.has(number)) one.remove()
    settle()
  }
  return { node: panel(t('dead'), h('p', { class: 'hint' }, t('dead.hint')), bulk, none, rows, more), reload, refresh }
}
