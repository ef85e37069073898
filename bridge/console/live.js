// The organization's event log as it grows: one WebSocket for all views.

const listeners = new Set()
const states = new Set()
let socket
let wanted = false
let wait = 500
let after = 'latest'
let connected = false

function tell(state) {
  connected = state
  for (const one of states) one(state)
}

function connect() {
  if (!wanted) return
  socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/events/stream?after=${encodeURIComponent(after)}`)
  socket.onopen = () => { wait = 500; tell(true) }
  socket.onmessage = message => {
    const event = JSON.parse(message.data)
    // Events that were to come are gone, such as those of a restored store: what follows is whole again.
    if (event.type === 'log.gap') { after = event.oldest_cursor; return }
    after = `${event.session_id ?? event.data?.webhook_id ?? event.organization_id}:${event.seq}`
    for (const one of listeners) one(event)
  }
  socket.onclose = () => {
    tell(false)
    if (!wanted) return
    // A cursor may belong to a session that was erased meanwhile: begin at the end then.
    if (wait > 4000) after = 'latest'
    setTimeout(connect, wait)
    wait = Math.min(wait * 2, 15000)
  }
}

export const live = {
  start() {
    if (wanted) return
    wanted = true
    after = 'latest'
    connect()
  },
  stop() {
    wanted = false
    socket?.close()
  },
  // Each returns how to stop it.
  on(listener) {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  onState(listener) {
    states.add(listener)
    listener(connected)
    return () => states.delete(listener)
  }
}

// Runs at once and then at most every `ms`, for what would otherwise follow a busy log too closely.
export function calm(work, ms = 1000) {
  let timer
  let again = false
  const run = () => {
    again = false
    timer = setTimeout(() => { timer = undefined; if (again) run() }, ms)
    work()
  }
  return () => { if (timer === undefined) run(); else again = true }
}
