// Who is signed in and what they may do; what this version of the API offers.
import { get } from './api.js'

let who
let paths
export const me = () => who
export const forgetMe = () => { who = undefined }
export const isOperator = () => who?.role === 'operator'
export const may = permission => who?.permissions?.includes(permission) ?? false
// Whether the API has this address: views come and go with it.
export const offers = path => paths?.has(path) ?? false

async function ask() {
  if (offers('/v1/me')) {
    const { user, role, permissions } = await get('/v1/me', { quiet: true })
    return { ...user, role: role ?? user.role, permissions }
  }
  try {
    await get('/v1/organizations?limit=1', { quiet: true })
    return { role: 'operator', permissions: [] }
  } catch (problem) {
    if (problem.code !== 'forbidden') throw problem
    const all = ['sessions', 'messages', 'webhooks', 'events', 'tokens'].flatMap(one => [`${one}:read`, `${one}:write`])
    return { role: 'owner', permissions: all }
  }
}

// 'in', 'out', 'setup' (no operator exists yet) or 'down'.
export async function loadMe() {
  try {
    const document = await get('/openapi.json', { quiet: true })
    paths = new Set(Object.keys(document.paths))
    who = await ask()
    return 'in'
  } catch (problem) {
    who = undefined
    if (problem.code === 'setup_required') return 'setup'
    if (problem.status === 401 || problem.status === 403) return 'out'
    return 'down'
  }
}
