// One's own account: password, second factor, browsers that are signed in.
import { erase, get, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, field, form, guarded, list, panel, row, secret, toast } from './parts.js'
import { codeField, prove, proven } from './proof.js'
import { loadMe, me, offers } from './me.js'

export async function show({ body, current }) {
  const totp = h('div')
  const browsers = h('div')
  const google = (await get('/v1/login/methods').catch(() => ({}))).google ? h('div') : undefined
  if (!current()) return
  put(body, me().second_factor_missing ? h('p', { class: 'error', role: 'status' }, t('account.totp.required')) : null,
    offers('/v1/me/password') ? panel(t('account.password'), password()) : null,
    offers('/v1/me/totp') ? panel(t('account.totp'), totp) : null,
    google ? panel('Google', google) : null,
    offers('/v1/me/sessions') ? panel(t('account.browsers'), browsers) : null)
  if (offers('/v1/me/totp')) drawTotp(totp)
  if (google) await drawGoogle(google)
  if (!offers('/v1/me/sessions')) return
  const draw = async () => {
    const { data } = await get('/v1/me/sessions')
    if (!current()) return
    put(browsers, list(data.map(one => row(h('span', { dir: 'ltr' }, one.user_agent ?? one.address ?? one.id),
      [one.current ? h('span', { class: 'pill s-working' }, t('account.this')) : null, h('span', null, t('since', { time: time(one.created_at) }))],
      one.current ? null : button(t('account.end'), guarded(async () => { await proven(() => erase(`/v1/me/sessions/${one.id}`)); await draw() }), 'danger'))), t('account.none')))
    if (data.length > 1) browsers.append(h('div', { class: 'actions' }, button(t('account.end_others'), guarded(async () => { await proven(() => erase('/v1/me/sessions')); await draw() }), 'danger')))
  }
  await draw()
}

async function drawGoogle(place) {
  const linked = await get('/v1/me/google').catch(problem => { if (problem.status === 404) return undefined; throw problem })
  put(place, linked
    ? [h('p', null, t('account.google.on', { email: linked.email })), button(t('account.google.off'), guarded(async () => { await proven(() => erase('/v1/me/google')); await drawGoogle(place) }), 'danger')]
    : [h('p', null, t('account.google.about')), button(t('account.google.link'), guarded(async () => { await prove(); location.assign('/v1/login/google?link=1') }))])
}

function password() {
  const now = field(t('account.current'), { type: 'password', name: 'current', autocomplete: 'current-password', required: true })
  const next = field(t('account.new'), { type: 'password', name: 'password', autocomplete: 'new-password', required: true, minlength: '12' }, t('password.hint'))
  const whose = h('input', { type: 'email', autocomplete: 'username', value: me().email, hidden: true })
  return form([whose, now, next], t('save'), async () => {
    await post('/v1/me/password', { current: now.input.value, password: next.input.value })
    now.input.value = next.input.value = ''
    toast(t('account.changed'))
  })
}

function drawTotp(place) {
  if (me().totp_enabled) {
    const code = codeField()
    put(place, h('p', null, t('account.totp.on')), form([code], t('account.totp.off'), async () => {
      await post('/v1/me/totp/off', { code: code.value })
      await loadMe()
      drawTotp(place)
    }, { kind: 'danger' }))
    return
  }
  put(place, h('p', null, t('account.totp.about')), button(t('account.totp.begin'), guarded(async () => {
    const made = await proven(() => post('/v1/me/totp'))
    const code = codeField()
    put(place, h('p', null, t('account.totp.scan')), secret(t('account.totp.secret'), made.secret), secret(t('account.totp.uri'), made.uri),
      form([code], t('account.totp.confirm'), async () => {
        const missing = me().second_factor_missing
        const { recovery_codes } = await post('/v1/me/totp/confirm', { code: code.value })
        await loadMe()
        put(place, h('p', null, t('account.totp.recovery')), h('ul', { class: 'codes' }, recovery_codes.map(one => h('li', { dir: 'ltr' }, h('code', null, one)))),
          button(t('continue'), () => missing ? location.reload() : drawTotp(place)))
      }))
    code.input.focus()
  })))
}
