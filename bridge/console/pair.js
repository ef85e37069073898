// The page behind a pairing link: one session, one phone, nothing else.
import { call, drawing, get, post } from './api.js'
import { h, show } from './dom.js'
import { applyPrefs, clock, t } from './prefs.js'
import { button, guarded, pill, reasonMessage, sentence, switches } from './parts.js'
import { byPhone, passkey, qrImage, steps } from './pairing.js'

const app = document.getElementById('app')
const quiet = { quiet: true }
let state
let source

function page(...content) {
  const main = h('main', { class: 'alone wide' },
    h('div', { class: 'brand big' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', null, 'Waslo Bridge')),
    h('section', { class: 'card' }, content), switches(() => state ? draw() : start()))
  show(app, main)
  document.title = t('pair.title')
}

const isLinked = () => Boolean(state.number) && ['WORKING', 'DEGRADED', 'STARTING'].includes(state.status)
let image
let note
let phase

async function drawCode() {
  if (!state.qr_expires_at) return
  try {
    image.src = await drawing('/v1/pairing/qr')
    note.textContent = t('pair.next', { time: clock(state.qr_expires_at) })
  } catch (problem) {
    note.textContent = sentence(problem)
  }
}

function draw() {
  phase = isLinked() ? 'linked' : state.status
  const title = h('h1', null, t('pair.title'))
  const intro = h('p', { class: 'intro' }, t('pair.intro', { name: state.name }))
  const status = h('div', { class: 'status', role: 'status' }, pill(isLinked() ? 'WORKING' : state.status))
  if (isLinked()) {
    return page(title, status, h('p', { class: 'done' }, t('pair.done', { number: `+${state.number}` })), h('p', { class: 'hint' }, t('pair.close')))
  }
  if (state.status === 'SCAN_QR_CODE') {
    image = qrImage()
    note = h('p', { class: 'hint' }, t('pair.waiting'))
    page(title, intro, status, h('div', { class: 'pairing' }, h('div', { class: 'pairing-code' }, image, note),
      h('div', null, h('h2', null, t('pair.scan')), steps(), h('h2', null, t('pair.type')), byPhone(phone => post('/v1/pairing/code', { phone }, quiet)))))
    return drawCode()
  }
  if (state.status.startsWith('PASSKEY')) return page(title, intro, status, passkey(state))
  const again = ['FAILED', 'STOPPED'].includes(state.status)
  page(title, intro, status, state.reason?.message ? h('p', { dir: 'auto' }, reasonMessage(state.reason)) : h('p', { class: 'hint' }, t('pair.waiting')),
    again ? h('div', { class: 'actions' }, button(t('pair.again'), guarded(async () => { state = await post('/v1/pairing/start', undefined, quiet); draw() }), 'primary')) : null)
}

function follow() {
  source?.close()
  source = new EventSource('/v1/pairing/stream')
  source.addEventListener('state', event => {
    const before = state
    state = JSON.parse(event.data)
    const now = isLinked() ? 'linked' : state.status
    if (now !== phase) draw()
    else if (phase === 'SCAN_QR_CODE' && before.qr_expires_at !== state.qr_expires_at) drawCode()
  })
  // The stream ends with the visit; a pause of the network brings it back by itself.
  source.onerror = async () => {
    try { await get('/v1/pairing', quiet) } catch (problem) {
      if (problem.status !== 404) return
      source.close()
      if (!isLinked()) gone()
    }
  }
}

function gone() {
  state = undefined
  page(h('h1', null, t('pair.gone')), h('p', { class: 'intro' }, t('pair.gone.next')))
}

async function start() {
  applyPrefs()
  const secret = location.hash.slice(1)
  // The secret leaves the address bar at once; it opens one time only.
  if (secret) history.replaceState(null, '', '/pair')
  try {
    state = secret ? await call('POST', '/v1/pairing/open', { secret }, quiet) : await get('/v1/pairing', quiet)
  } catch (problem) {
    if (problem.status === 404) return gone()
    state = undefined
    return page(h('h1', null, t('pair.title')), h('p', { class: 'error', role: 'alert' }, sentence(problem)), button(t('again'), start, 'primary'))
  }
  draw()
  follow()
}
start()
