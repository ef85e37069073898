// Language, theme: chosen by the browser's settings until somebody chooses otherwise.
import en from './en.js'
import ar from './ar.js'

const languages = { en, ar }
const read = name => { try { return localStorage.getItem(name) } catch { return null } }
const keep = (name, value) => { try { localStorage.setItem(name, value) } catch { /* private window */ } }

let language = read('language') ?? (navigator.language?.startsWith('ar') ? 'ar' : 'en')
if (!languages[language]) language = 'en'

export const locale = () => language
// The text of a key, with {name} filled in.
export function t(key, values = {}) {
  const text = languages[language][key] ?? en[key] ?? key
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '')
}

export function applyPrefs() {
  const root = document.documentElement
  root.lang = language
  root.dir = language === 'ar' ? 'rtl' : 'ltr'
  const theme = read('theme')
  if (theme === 'dark' || theme === 'light') root.dataset.theme = theme
  else delete root.dataset.theme
}
export function isDark() {
  return (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark'
}
export function setLanguage(next) {
  language = next
  keep('language', next)
  applyPrefs()
}
export function setTheme(next) {
  keep('theme', next)
  applyPrefs()
}

const tag = () => language === 'ar' ? 'ar-u-nu-latn' : 'en-GB'
export const time = text => text ? new Intl.DateTimeFormat(tag(), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }).format(new Date(text)) : '–'
export const clock = text => new Intl.DateTimeFormat(tag(), { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(new Date(text))
export const hour = ms => new Intl.DateTimeFormat(tag(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(ms))
export const number = value => new Intl.NumberFormat(tag()).format(value)
