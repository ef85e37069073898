// What every view is made of: buttons, fields, forms, dialogs, notices.
import { h, newId, show } from './dom.js'
import { setLanguage, setTheme, isDark, locale, t } from './prefs.js'

export const button = (text, onclick, kind = '') => h('button', { type: 'button', class: `button ${kind}`, onclick }, text)

export function field(label, props = {}, hint) {
  const id = newId()
  const input = props.options
    ? h('select', { id, name: props.name, class: 'input' }, props.options.map(([value, text]) =>
        h('option', { value, selected: value === props.value }, text)))
    : h('input', { id, class: 'input', dir: props.type === 'text' || !props.type ? 'auto' : undefined, ...props })
  const note = h('p', { id: `${id}n`, class: 'hint' }, hint ?? '')
  if (hint) input.setAttribute('aria-describedby', note.id)
  const node = h('div', { class: 'field' }, h('label', { for: id }, label), input, hint ? note : null)
  return { node, input, get value() { return input.value.trim() } }
}

// A stable code to a sentence in the reader's language; the server's words when there is none.
export function sentence(error) {
  const known = t(`problem.${error.code}`)
  const words = known === `problem.${error.code}` ? error.message : known
  const details = (error.errors ?? []).map(one => `${one.pointer.replace(/^\//, '')} ${one.message}`).join('; ')
  return details ? `${words} ${details}` : words
}

// What the service says about a status, in the reader's language where it is known.
const known = (key, words) => { const text = t(key); return text === key ? words : text }
export const reasonMessage = reason => reason?.message ? known(`reason.${reason.code}`, reason.message) : ''
export const reasonNext = reason => reason?.next ? known(`reason.${reason.code}.next`, reason.next) : ''

// A form that says what went wrong and does not send twice.
export function form(fields, action, submit, { kind = '', cancel } = {}) {
  const error = h('p', { class: 'error', role: 'alert', hidden: true })
  const send = h('button', { type: 'submit', class: 'button primary' }, action)
  const node = h('form', {
    class: `form ${kind}`,
    onsubmit: async event => {
      event.preventDefault()
      if (send.getAttribute('aria-busy') === 'true') return
      send.setAttribute('aria-busy', 'true')
      error.hidden = true
      try {
        await submit()
      } catch (problem) {
        error.textContent = problem.code ? sentence(problem) : String(problem.message ?? problem)
        error.hidden = false
      } finally {
        send.removeAttribute('aria-busy')
      }
    }
  }, fields.map(one => one.node ?? one), error, h('div', { class: 'actions' }, send, cancel ? button(t('cancel'), cancel) : null))
  return node
}

export function dialog(title, content) {
  const id = newId()
  const close = () => box.close()
  const box = h('dialog', { class: 'dialog', 'aria-labelledby': id },
    h('div', { class: 'dialog-head' }, h('h2', { id }, title),
      h('button', { type: 'button', class: 'icon-button', 'aria-label': t('close'), onclick: close }, '✕')),
    h('div', { class: 'dialog-body' }, content))
  box.addEventListener('close', () => box.remove())
  document.body.append(box)
  box.showModal()
  return { close, body: box.querySelector('.dialog-body') }
}

// Asks before what cannot be undone.
export function confirm(title, text, action, work) {
  const asked = dialog(title, form([h('p', null, text)], action, async () => { await work(); asked.close() }, { cancel: () => asked.close(), kind: 'danger' }))
}

// A secret that is shown once, with a way to copy it. Copying selects the text: no permission is needed.
export function secret(label, value) {
  const id = newId()
  const input = h('input', { id, class: 'input code', readonly: true, value, dir: 'ltr' })
  return h('div', { class: 'field' }, h('label', { for: id }, label),
    h('div', { class: 'copy' }, input, button(t('copy'), () => {
      input.focus()
      input.select()
      if (document.execCommand('copy')) toast(t('copied'))
    })))
}

let notices
export function toast(text) {
  notices ??= document.body.appendChild(h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' }))
  const one = h('p', { class: 'toast' }, text)
  notices.append(one)
  setTimeout(() => one.remove(), 5000)
}

// Runs a button's work and tells when it failed.
export const guarded = work => async () => {
  try { await work() } catch (problem) { toast(sentence(problem)) }
}

export const pill = status => h('span', { class: `pill s-${status.toLowerCase()}` }, t(`status.${status}`))
export const empty = text => h('p', { class: 'empty' }, text)
export const panel = (title, ...content) => {
  const id = newId()
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), content)
}
export const list = (rows, none) => rows.length === 0 ? empty(none) : h('ul', { class: 'rows' }, rows)
export const row = (main, meta, actions) => h('li', { class: 'row' },
  h('div', { class: 'row-main' }, main), meta ? h('div', { class: 'row-meta' }, meta) : null, actions ? h('div', { class: 'row-actions' }, actions) : null)

// Language and theme, on every page.
export function switches(again) {
  const other = locale() === 'en' ? 'ar' : 'en'
  return h('div', { class: 'switches' },
    h('button', { type: 'button', class: 'button ghost', lang: other, onclick: () => { setLanguage(other); again() } }, other === 'ar' ? 'العربية' : 'English'),
    h('button', { type: 'button', class: 'button ghost', onclick: () => { setTheme(isDark() ? 'light' : 'dark'); again() } }, isDark() ? t('theme.light') : t('theme.dark')))
}

export { h, show, t }
