// Tokens of the API: made, shown once, revoked.
import { all, erase, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, list, row, secret } from './parts.js'
import { may, me } from './me.js'

const order = ['viewer', 'agent', 'admin', 'owner']
const lives = [['86400', 'tokens.day'], ['2592000', 'tokens.month'], ['7776000', 'tokens.quarter'], ['31536000', 'tokens.year']]

// The dialog that makes a token; an operator makes one for an organization with the same.
export function makeToken(path, roles, done) {
  const name = field(t('name'), { name: 'name', required: true, maxlength: '100', autocomplete: 'off' }, t('tokens.name.hint'))
  const role = field(t('role'), { name: 'role', value: roles.at(-1), options: roles.map(one => [one, t(`role.${one}`)]) })
  const life = field(t('tokens.life'), { name: 'life', value: '7776000', options: lives.map(([value, key]) => [value, t(key)]) })
  const asked = dialog(t('tokens.new'), form([name, role, life], t('create'), async () => {
    const made = await post(path, { name: name.value, role: role.input.value, expires_in: Number(life.input.value) })
    put(asked.body, h('p', null, t('tokens.once')), secret(t('tokens.token'), made.token))
    await done?.()
  }, { cancel: () => asked.close() }))
}

export async function show({ head, body, current }) {
  const writes = may('tokens:write')
  async function draw() {
    const tokens = await all('/v1/tokens')
    if (!current()) return
    put(body, list(tokens.map(one => row(h('span', { dir: 'auto' }, one.name),
      [h('span', { class: 'pill' }, t(`role.${one.role}`)), h('span', null, t('tokens.until', { time: time(one.expires_at) })),
        'last_used_at' in one ? h('span', null, one.last_used_at ? t('tokens.used', { time: time(one.last_used_at) }) : t('tokens.unused')) : null,
        h('code', { dir: 'ltr' }, one.id)],
      writes ? button(t('revoke'), () => confirm(t('tokens.revoke'), t('tokens.revoke.ask', { name: one.name }), t('revoke'), async () => { await erase(`/v1/tokens/${one.id}`); await draw() }), 'danger') : null)), t('tokens.none')))
  }
  if (writes) head.append(button(t('tokens.new'), () => makeToken('/v1/tokens', order.slice(0, order.indexOf(me().role) + 1), draw), 'primary'))
  await draw()
}
