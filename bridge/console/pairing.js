// The live QR code, the code to type, and what a passkey step asks for, while a session pairs.
import { drawing, post } from './api.js'
import { h, show as put } from './dom.js'
import { clock, t } from './prefs.js'
import { field, form, panel, reasonMessage, reasonNext, sentence } from './parts.js'

export const codeBox = (code, expires) => h('div', { class: 'typed', role: 'status' },
  h('p', { class: 'big-code', dir: 'ltr', 'aria-label': Array.from(code).join(' ') }, code), h('p', { class: 'hint' }, t('pair.code.how', { time: clock(expires) })))

export const steps = () => h('ol', { class: 'steps' }, ['1', '2', '3'].map(one => h('li', null, t(`pair.step${one}`))))

// What a person is to do when WhatsApp wants a passkey: in the words of the service.
export const passkey = state => h('div', { class: 'passkey' }, h('p', { dir: 'auto' }, reasonMessage(state.reason) || t(`status.${state.status}`)),
  h('p', { class: 'next', dir: 'auto' }, reasonNext(state.reason) || t('pair.passkey')))

export const qrImage = () => h('img', { class: 'qr', alt: t('pair.qr'), width: '280', height: '280' })

export function byPhone(request) {
  const phone = field(t('phone'), { name: 'phone', type: 'tel', required: true, dir: 'ltr', autocomplete: 'tel' }, t('phone.hint'))
  const out = h('div')
  return [form([phone], t('pair.code.get'), async () => {
    const made = await request(phone.value.replace(/[\s()-]/g, ''))
    put(out, codeBox(made.code, made.expires_at))
  }), out]
}

// Draws into `place` until the returned function is called. New codes arrive by themselves.
export function pairing(place, path, state) {
  const image = qrImage()
  const note = h('p', { class: 'hint' }, t('pair.waiting'))
  const now = state()
  put(place, panel(t('pair'), now.status === 'SCAN_QR_CODE'
    ? h('div', { class: 'pairing' },
        h('div', { class: 'pairing-code' }, image, note),
        h('div', null, h('h3', null, t('pair.scan')), steps(), h('h3', null, t('pair.type')), byPhone(phone => post(`${path}/pairing-code`, { phone }))))
    : passkey(now)))
  const source = new EventSource(`${path}/qr/stream`)
  source.addEventListener('code', async event => {
    const { code, expires_at } = JSON.parse(event.data)
    try {
      image.src = await drawing(`${path}/qr`)
      image.dataset.code = code
      note.textContent = t('pair.next', { time: clock(expires_at) })
    } catch (problem) {
      note.textContent = sentence(problem)
    }
  })
  source.addEventListener('paired', () => source.close())
  source.addEventListener('failed', () => source.close())
  return () => source.close()
}
