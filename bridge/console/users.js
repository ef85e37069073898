// People of the organization and invitations that are on their way.
import { all, erase, patch, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, guarded, list, panel, row, secret } from './parts.js'
import { proven } from './proof.js'
import { isOperator, me, may } from './me.js'

const order = ['viewer', 'agent', 'admin', 'owner']

// The dialog that invites somebody; an operator invites into an organization with the same.
export function invite(path, roles, done) {
  const email = field(t('email'), { name: 'email', type: 'email', required: true, dir: 'ltr', autocomplete: 'off' })
  const role = field(t('role'), { name: 'role', value: roles.at(-1), options: roles.map(one => [one, t(`role.${one}`)]) })
  const asked = dialog(t('users.invite'), form([email, role], t('users.invite.action'), async () => {
    const made = await post(path, { email: email.value, role: role.input.value })
    put(asked.body, h('p', null, t('users.once', { email: email.value })), secret(t('users.link'), made.link), h('p', { class: 'hint' }, t('links.until', { time: time(made.expires_at) })))
    await done?.()
  }, { cancel: () => asked.close() }))
}

export async function show({ head, body, current }) {
  const writes = isOperator() || may('users:write')
  const roles = isOperator() ? ['operator'] : order.slice(0, order.indexOf(me().role) + 1)
  async function draw() {
    const [users, invitations] = await Promise.all([all('/v1/users'), writes ? all('/v1/invitations') : []])
    if (!current()) return
    put(body, panel(t('users.people'), list(users.map(one => row(h('span', { dir: 'ltr' }, one.email),
      [h('span', { class: 'pill' }, t(`role.${one.role}`)), one.disabled ? h('span', { class: 'pill s-stopped' }, t('users.disabled')) : null,
        one.totp_enabled ? h('span', null, t('users.totp')) : null, one.id === me().id ? h('span', null, t('users.you')) : null, h('span', null, t('since', { time: time(one.created_at) }))],
      writes && one.id !== me().id ? [
        roles.length > 1 ? button(t('users.role'), () => changeRole(one, roles, draw)) : null,
        resettable(one) ? button(t('users.reset'), guarded(() => reset(one))) : null,
        button(one.disabled ? t('enable') : t('disable'), guarded(async () => { await patch(`/v1/users/${one.id}`, { disabled: !one.disabled }); await draw() })),
        button(t('delete'), () => confirm(t('users.delete'), t('users.delete.ask', { email: one.email }), t('delete'), async () => { await erase(`/v1/users/${one.id}`); await draw() }), 'danger')
      ] : null)), t('users.none'))),
    writes ? panel(t('users.invitations'), list(invitations.map(one => row(h('span', { dir: 'ltr' }, one.email),
      [h('span', { class: 'pill' }, t(`role.${one.role}`)), h('span', null, t('links.until', { time: time(one.expires_at) }))],
      button(t('revoke'), guarded(async () => { await erase(`/v1/invitations/${one.id}`); await draw() }), 'danger'))), t('users.no_invitations'))) : null)
  }
  if (writes) head.append(button(t('users.invite'), () => invite('/v1/invitations', roles, draw), 'primary'))
  await draw()
}

// As the service decides: an owner's password, and an operator's, takes an operator.
const resettable = user => !user.disabled && (isOperator() || (user.role !== 'owner' && order.indexOf(user.role) <= order.indexOf(me().role)))

async function reset(user) {
  const made = await proven(() => post(`/v1/users/${user.id}/password-reset`))
  dialog(t('users.reset'), [h('p', null, t('users.reset.once', { email: user.email })), secret(t('users.reset.link'), made.link), h('p', { class: 'hint' }, t('links.until', { time: time(made.expires_at) }))])
}

function changeRole(user, roles, done) {
  const role = field(t('role'), { name: 'role', value: user.role, options: roles.map(one => [one, t(`role.${one}`)]) })
  const asked = dialog(user.email, form([role], t('save'), async () => {
    await patch(`/v1/users/${user.id}`, { role: role.input.value })
    asked.close()
    await done()
  }, { cancel: () => asked.close() }))
}
