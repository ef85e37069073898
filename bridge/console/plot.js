// Small plots, drawn as SVG elements. What they show is also in words, for whoever does not see.
import { h, svg } from './dom.js'
import { hour, number, t } from './prefs.js'

// Two stacked series as bars.
export function bars({ since, step_seconds: step, steps }, label) {
  const messages = steps.map(one => one.messages)
  const others = steps.map(one => one.others)
  const width = 600
  const height = 120
  const count = messages.length
  const top = Math.max(1, ...messages.map((value, i) => value + others[i]))
  const slot = width / count
  const bar = (value, base, i, kind) => value === 0 ? null : svg('rect', {
    class: kind, x: i * slot + 2, width: slot - 4, rx: 2,
    y: height - (base + value) / top * height, height: value / top * height
  }, svg('title', null, `${hour(Date.parse(since) + i * step * 1000)}: ${number(value)}`))
  const start = Date.parse(since)
  return h('figure', { class: 'plot' },
    svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, preserveAspectRatio: 'none' },
      [0, 0.5, 1].map(at => svg('line', { class: 'grid', x1: 0, x2: width, y1: height * at, y2: height * at })),
      messages.map((value, i) => [bar(value, 0, i, 'bar-a'), bar(others[i], value, i, 'bar-b')])),
    h('figcaption', null,
      h('span', { dir: 'ltr' }, hour(start)), h('span', { class: 'legend' },
        h('span', { class: 'key key-a' }, t('overview.messages')), h('span', { class: 'key key-b' }, t('overview.others')),
        h('span', null, t('overview.top', { count: number(top) }))),
      h('span', { dir: 'ltr' }, hour(start + count * step * 1000))))
}

// Shares of a whole, as one bar.
export function shares(parts, label) {
  const total = parts.reduce((sum, one) => sum + one.count, 0)
  let x = 0
  return svg('svg', { class: 'shares', viewBox: '0 0 600 14', role: 'img', 'aria-label': label, preserveAspectRatio: 'none' },
    parts.map(one => {
      const width = one.count / total * 600
      const rect = svg('rect', { class: `s-${one.status.toLowerCase()}`, x, y: 0, width: Math.max(0, width - 2), height: 14, rx: 3 })
      x += width
      return rect
    }))
}
