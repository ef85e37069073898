// Every attempt of an endpoint on the wire, newest first, with where its time went and what came back.
import { get } from './api.js'
import { h, show as put, svg } from './dom.js'
import { clock, number, t, time } from './prefs.js'
import { button, field, guarded, panel } from './parts.js'

const page = 25
export const verdict = code => { const text = t(`verdict.${code}`); return text === `verdict.${code}` ? code : text }
const ms = us => `${number(Math.round(us / 100) / 10)} ms`

// The steps that were reached, each from the end of the one before.
function steps({ dns_us, connect_us, tls_us, first_byte_us, total_us }) {
  let from = 0
  return [['dns', dns_us], ['connect', connect_us], ['tls', tls_us], ['wait', first_byte_us], ['read', total_us]].flatMap(([name, until]) => {
    if (until === null) return []
    const one = { name, from, until: Math.max(from, until) }
    from = one.until
    return [one]
  })
}

function timings(attempt) {
  const all = steps(attempt.timings)
  const total = Math.max(1, attempt.timings.total_us ?? 0)
  const at = us => us / total * 600
  return [svg('svg', { class: 'steps-bar', viewBox: '0 0 600 12', role: 'img', 'aria-label': t('attempts.timings', { total: ms(total) }), preserveAspectRatio: 'none' },
    all.map(({ name, from, until }) => svg('rect', { class: `t-${name}`, x: at(from), y: 0, width: Math.max(1, at(until - from)), height: 12 }))),
  h('dl', { class: 'details tight' }, all.map(({ name, from, until }) => h('div', null,
    h('dt', null, h('span', { class: `dot t-${name}`, 'aria-hidden': 'true' }), t(`step.${name}`)), h('dd', { dir: 'ltr' }, ms(until - from)))))]
}

function shown(attempt, again) {
  const good = attempt.status >= 200 && attempt.status < 300
  const item = (label, value) => h('div', null, h('dt', null, label), h('dd', null, value))
  return h('li', { 'data-number': attempt.number }, h('details', null,
    h('summary', null, h('time', { datetime: attempt.attempted_at }, clock(attempt.attempted_at)),
      h('span', null, h('span', { class: `pill o-${good ? 'done' : 'failed'}`, dir: 'ltr' }, attempt.status ?? '–')),
      h('span', { class: 'text' }, `${verdict(attempt.verdict)} · `, h('span', { dir: 'ltr' }, attempt.event_type), ` · ${t('attempts.nth', { count: attempt.attempt })} · `,
        h('span', { dir: 'ltr' }, ms(attempt.timings.total_us ?? 0)))),
    h('div', { class: 'attempt' }, timings(attempt),
      h('dl', { class: 'details' }, item(t('attempts.event'), h('code', { dir: 'ltr' }, attempt.event_id)), item(t('attempts.at'), time(attempt.attempted_at)),
        item(t('attempts.trigger'), t(`trigger.${attempt.trigger}`)),
        item(t('attempts.address'), attempt.address ? h('span', { dir: 'ltr' }, attempt.address) : t('attempts.nowhere')),
        item(t('attempts.connection'), t(attempt.reused ? 'attempts.kept' : 'attempts.fresh')),
        item(t('attempts.next'), attempt.next_attempt_at ? time(attempt.next_attempt_at) : t('attempts.no_next'))),
      attempt.response === null ? h('p', { class: 'hint' }, t('attempts.no_answer'))
        : [h('h3', null, t('attempts.answer', { bytes: number(attempt.response_bytes) })),
            attempt.response === '' ? null : h('pre', { dir: 'ltr', tabindex: '0', 'aria-label': t('attempts.body') }, attempt.response)],
      again && attempt.trigger !== 'manual' ? h('div', { class: 'actions' }, button(t('replay.one'), guarded(() => again(attempt.event_id)))) : null)))
}

// `again` sends an event anew; without it nobody may.
export function attempts(path, again) {
  const tail = h('ol', { class: 'tail folds' })
  const none = h('p', { class: 'empty' }, t('attempts.none'))
  const more = h('div', { class: 'actions' })
  const filter = field(t('attempts.show'), { name: 'outcome', value: '', options: [['', t('attempts.all')], ['delivered', t('attempts.delivered')], ['failed', t('attempts.failed')]] })
  let turn = 0
  const ask = cursor => get(`${path}/attempts?limit=${page}${filter.value ? `&outcome=${filter.value}` : ''}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
  const offerMore = cursor => put(more, cursor ? button(t('more'), guarded(async () => {
    const mine = turn
    const next = await ask(cursor)
    if (mine !== turn) return
    tail.append(...next.data.map(one => shown(one, again)))
    offerMore(next.next_cursor)
  })) : null)
  // Only what is new is put on top: what somebody reads stays as it is.
  async function refresh() {
    const mine = turn
    const next = await ask()
    if (mine !== turn) return
    const newest = Number(tail.firstElementChild?.dataset.number ?? 0)
    const fresh = next.data.filter(one => one.number > newest)
    if (newest === 0) offerMore(next.next_cursor)
    // More than a page is new: begin anew rather than leave a hole.
    else if (fresh.length === page) { tail.replaceChildren(); offerMore(next.next_cursor) }
    tail.prepend(...fresh.map(one => shown(one, again)))
    none.hidden = tail.children.length > 0
  }
  filter.input.addEventListener('change', guarded(async () => { turn++; tail.replaceChildren(); put(more); await refresh() }))
  return { node: panel(t('attempts'), h('div', { class: 'bar' }, filter.node), none, tail, more), refresh }
}
