// Sending again: one event, everything that was given up, a time range or a chat; and how far it has come.
import { get, post } from './api.js'
import { h, show as put } from './dom.js'
import { number, t, time } from './prefs.js'
import { field, form, panel, toast } from './parts.js'

const every = 700
const pills = { running: 's-starting', done: 's-working', failed: 's-failed' }
// What the field holds is the reader's own time.
const instant = text => text ? new Date(text).toISOString() : undefined

// `finished` is called when a job has come to its end while somebody looks.
export function replays(path, writes, finished) {
  const said = h('div', { role: 'status' })
  const rows = h('ul', { class: 'rows' })
  const none = h('p', { class: 'empty' }, t('replay.none'))
  let running
  let timer
  const progress = job => t('replay.progress', { examined: number(job.examined), queued: number(job.queued) })

  function draw(jobs) {
    none.hidden = jobs.length > 0
    rows.hidden = jobs.length === 0
    put(rows, jobs.map(job => h('li', { class: 'row', 'data-job': job.id },
      h('div', { class: 'row-main' }, h('span', { class: `pill ${pills[job.state]}` }, t(`replay.${job.state}`))),
      h('div', { class: 'row-meta' }, h('span', null, progress(job)), h('span', null, time(job.created_at))))))
  }
  async function refresh() {
    const { data } = await get(`${path}/replay`)
    draw(data.slice(0, 5))
    const now = data.find(one => one.state === 'running')
    if (now && !timer) follow(now)
    return data
  }
  function follow(job) {
    running = job.id
    put(said, h('p', { class: 'hint' }, progress(job)), h('progress', { 'aria-label': t('replay.running') }))
    timer = setTimeout(async () => {
      timer = undefined
      try {
        const data = await refresh()
        const mine = data.find(one => one.id === running)
        if (timer || mine?.state === 'running') return
        put(said, mine ? h('p', { class: mine.state === 'done' ? 'done' : 'error' }, t(`replay.ended.${mine.state}`, { queued: number(mine.queued) })) : null)
        await finished()
      } catch { /* the next look tells */ }
    }, every)
  }
  async function begin(wish) {
    const job = await post(`${path}/replay`, wish)
    toast(t('replay.begun'))
    clearTimeout(timer)
    follow(job)
    await refresh()
  }
  const since = field(t('replay.since'), { name: 'since', type: 'datetime-local', step: '1' })
  const until = field(t('replay.until'), { name: 'until', type: 'datetime-local', step: '1' })
  const chat = field(t('replay.chat'), { name: 'chat', dir: 'ltr', maxlength: '128', autocomplete: 'off' }, t('replay.chat.hint'))
  const wish = () => ({ since: instant(since.value), until: instant(until.value), chat: chat.value || undefined })
  const ask = writes ? form([since, until, chat], t('replay.range'), async () => { await begin(wish()) }, { kind: 'inline range' }) : null
  const node = panel(t('replay'), h('p', { class: 'hint' }, t('replay.hint')), ask, said, none, rows)
  return { node, begin, refresh, stop: () => clearTimeout(timer) }
}
