// Making elements. Text only ever becomes text: there is no markup in a string anywhere.

const SVG = 'http://www.w3.org/2000/svg'
let serial = 0
export const newId = () => `i${++serial}`

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'value') element.value = value
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(3).filter(one => one !== null && one !== undefined && one !== false))
  return element
}
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children)
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children)

// Puts children in place of what is there.
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat(3).filter(one => one !== null && one !== undefined && one !== false))
  return parent
}
