// Before anybody is signed in: first set-up, sign-in, an invitation, a new password.
import { get, post } from './api.js'
import { h, show as put } from './dom.js'
import { t } from './prefs.js'
import { button, field, form, secret, sentence, switches, toast } from './parts.js'

function alone(app, title, intro, content, again) {
  put(app, h('main', { class: 'alone' },
    h('div', { class: 'brand big' }, h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', null, 'Waslo Bridge')),
    h('section', { class: 'card' }, h('h1', { tabindex: '-1' }, title), intro ? h('p', { class: 'intro' }, intro) : null, content),
    switches(again)))
  document.title = `${title} · Waslo Bridge`
}

const email = () => field(t('email'), { type: 'email', name: 'email', autocomplete: 'username', required: true, dir: 'ltr' })

const oneTimeCode = () => field(t('code'), { name: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', dir: 'ltr', maxlength: '32' }, t('code.hint'))

// A form that asks for the code as well, once the service says that it is needed.
async function withCode(code, send) {
  try {
    await send(code.node.hidden ? {} : { code: code.value })
    return true
  } catch (problem) {
    if (problem.code !== 'code_required') throw problem
    code.node.hidden = false
    code.input.required = true
    code.input.focus()
    return false
  }
}

export function show(app, done) {
  if (location.hash === '#signin-code=google') return codeOnly(app, done)
  const address = email()
  const password = field(t('password'), { type: 'password', name: 'password', autocomplete: 'current-password', required: true })
  const code = oneTimeCode()
  code.node.hidden = true
  const content = h('div', null, form([address, password, code], t('signin'), async () => {
    const more = await withCode(code, extra => post('/v1/login', { email: address.value, password: password.input.value, ...extra }, { quiet: true }))
    if (more) await done()
  }))
  alone(app, t('signin'), null, content, () => show(app, done))
  address.input.focus()
  const refused = /^#signin-error=([a-z_]+)$/.exec(location.hash)
  if (refused) {
    history.replaceState(null, '', '/')
    content.prepend(h('p', { class: 'error', role: 'alert' }, sentence({ code: refused[1], message: t('problem.signin_refused') })))
  }
  google(content)
}

// The second step after Google: the account was right, the code is still missing.
function codeOnly(app, done) {
  const code = oneTimeCode()
  code.input.required = true
  const leave = () => { history.replaceState(null, '', '/'); show(app, done) }
  alone(app, t('signin'), t('signin.code.intro'), h('div', null, form([code], t('signin'), async () => {
    await post('/v1/login/google/code', { code: code.value }, { quiet: true })
    history.replaceState(null, '', '/')
    await done()
  }, { cancel: leave })), () => codeOnly(app, done))
  code.input.focus()
}

// The button is there when the deployment knows Google.
async function google(content) {
  const methods = await get('/v1/login/methods', { quiet: true }).catch(() => ({}))
  if (methods.google) content.append(h('p', { class: 'or' }, t('or')), h('a', { class: 'button wide', href: '/v1/login/google' }, t('signin.google')))
}

export function setup(app, done) {
  const token = field(t('setup.token'), { name: 'setup_token', required: true, dir: 'ltr', autocomplete: 'off' }, t('setup.token.hint'))
  const address = email()
  const password = field(t('password'), { type: 'password', name: 'password', autocomplete: 'new-password', required: true, minlength: '12' }, t('password.hint'))
  alone(app, t('setup'), t('setup.intro'), form([token, address, password], t('setup.action'), async () => {
    const made = await post('/v1/setup', { setup_token: token.value, email: address.value, password: password.input.value }, { quiet: true })
      .catch(problem => { throw problem.code === 'unauthenticated' ? { code: 'setup_token' } : problem })
    await post('/v1/login', { email: address.value, password: password.input.value }, { quiet: true })
    alone(app, t('setup.done'), t('setup.done.intro'), h('div', null, secret(t('setup.operator_token'), made.token),
      h('div', { class: 'actions' }, button(t('continue'), done, 'primary'))), done)
  }), () => setup(app, done))
  token.input.focus()
}

export function accept(app, token, done) {
  const password = field(t('password'), { type: 'password', name: 'password', autocomplete: 'new-password', required: true, minlength: '12' }, t('password.hint'))
  alone(app, t('invitation'), t('invitation.intro'), form([password], t('invitation.action'), async () => {
    await post('/v1/invitations/accept', { token, password: password.input.value }, { quiet: true })
    history.replaceState(null, '', '/')
    await done()
  }), () => accept(app, token, done))
  password.input.focus()
}

export function reset(app, token, done) {
  const password = field(t('account.new'), { type: 'password', name: 'password', autocomplete: 'new-password', required: true, minlength: '12' }, t('password.hint'))
  const code = oneTimeCode()
  code.node.hidden = true
  alone(app, t('reset'), t('reset.intro'), form([password, code], t('reset.action'), async () => {
    const set = await withCode(code, extra => post('/v1/password-reset/accept', { token, password: password.input.value, ...extra }, { quiet: true }))
    if (!set) return
    history.replaceState(null, '', '/')
    toast(t('account.changed'))
    await done()
  }), () => reset(app, token, done))
  password.input.focus()
}
