// Links with which somebody else pairs this session, without an account.
import { erase, get, post } from './api.js'
import { h, show as put } from './dom.js'
import { t, time } from './prefs.js'
import { button, confirm, dialog, field, form, list, panel, row, secret } from './parts.js'

const lives = [['3600', 'links.hour'], ['86400', 'links.day'], ['604800', 'links.week']]

export async function links(place, path) {
  const body = h('div')
  const draw = async () => {
    const { data } = await get(`${path}/pairing-links`)
    put(body, list(data.map(one => row(t(`links.${one.state}`),
      h('span', null, one.opened_at ? t('links.opened_at', { time: time(one.opened_at) }) : t('links.until', { time: time(one.expires_at) })),
      button(t('revoke'), () => confirm(t('links.revoke'), t('links.revoke.ask'), t('revoke'), async () => { await erase(`${path}/pairing-links/${one.id}`); await draw() }), 'danger'))), t('links.none')))
  }
  put(place, panel(t('links'), h('p', { class: 'hint' }, t('links.hint')), body, h('div', { class: 'actions' }, button(t('links.new'), () => {
    const life = field(t('links.life'), { name: 'life', value: '86400', options: lives.map(([value, key]) => [value, t(key)]) })
    const asked = dialog(t('links.new'), form([life], t('create'), async () => {
      const made = await post(`${path}/pairing-links`, { expires_in: Number(life.input.value) })
      put(asked.body, h('p', null, t('links.once')), secret(t('links.url'), made.url))
      await draw()
    }, { cancel: () => asked.close() }))
  }))))
  await draw()
}
