// Some changes take a sign-in of the last minutes: the password is asked for, then it goes on.
import { post } from './api.js'
import { h } from './dom.js'
import { t } from './prefs.js'
import { dialog, field, form } from './parts.js'
import { me } from './me.js'

export const codeField = () => field(t('code'), { name: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', required: true, dir: 'ltr' })

export async function proven(work) {
  try {
    return await work()
  } catch (problem) {
    if (problem.code !== 'forbidden') throw problem
    await prove()
    return work()
  }
}

export const prove = () => new Promise(resolve => {
  const whose = h('input', { type: 'email', autocomplete: 'username', value: me().email, hidden: true })
  const word = field(t('account.current'), { type: 'password', name: 'current', autocomplete: 'current-password', required: true })
  const code = me().totp_enabled ? codeField() : undefined
  const asked = dialog(t('account.prove'), form([h('p', null, t('account.prove.about')), whose, word, ...(code ? [code] : [])], t('continue'), async () => {
    await post('/v1/login', { email: me().email, password: word.input.value, ...(code ? { code: code.value } : {}) }, { quiet: true })
    asked.close()
    resolve()
  }, { cancel: () => asked.close() }))
  word.input.focus()
})
