// Tenants, for operators: made, named, given an owner, erased. What is inside is theirs alone.
import { all, erase, patch, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, list, row } from './parts.js'
import { offers } from './me.js'
import { invite } from './users.js'
import { makeToken } from './tokens.js'

const nameField = value => field(t('name'), { name: 'name', required: true, maxlength: '100', value, autocomplete: 'off' })

export async function show({ head, body, current }) {
  async function draw() {
    const organizations = await all('/v1/organizations')
    if (!current()) return
    put(body, list(organizations.map(one => {
      const path = `/v1/organizations/${one.id}`
      return row(h('span', { dir: 'auto' }, one.name), [h('span', null, t('since', { time: time(one.created_at) })), h('code', { dir: 'ltr' }, one.id)], [
        offers('/v1/organizations/{id}/invitations') ? button(t('organizations.invite'), () => invite(`${path}/invitations`, ['viewer', 'agent', 'admin', 'owner'])) : null,
        button(t('organizations.token'), () => makeToken(`${path}/tokens`, ['viewer', 'agent', 'admin', 'owner'])),
        button(t('rename'), () => {
          const name = nameField(one.name)
          const asked = dialog(t('rename'), form([name], t('save'), async () => { await patch(path, { name: name.value }); asked.close(); await draw() }, { cancel: () => asked.close() }))
        }),
        button(t('delete'), () => confirm(t('organizations.delete'), t('organizations.delete.ask', { name: one.name }), t('delete'), async () => { await erase(path); await draw() }), 'danger')
      ])
    }), t('organizations.none')))
  }
  head.append(button(t('organizations.new'), () => {
    const name = nameField('')
    const asked = dialog(t('organizations.new'), form([name], t('create'), async () => {
      await post('/v1/organizations', { name: name.value })
      asked.close()
      await draw()
    }, { cancel: () => asked.close() }))
  }, 'primary'))
  await draw()
}
