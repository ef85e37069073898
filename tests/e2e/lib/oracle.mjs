// What was offered to the service and what arrived at the receiver: nothing lost, per chat in order, one id each, no
// event without a message.

// Repeatable chance.
export function dice(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export class Oracle {
  constructor() {
    this.offered = new Map()
  }
  offer(chat, text) {
    if (!this.offered.has(chat)) this.offered.set(chat, [])
    this.offered.get(chat).push(text)
  }
  judge(receiver) {
    const got = new Map()
    const ids = new Map()
    const faults = []
    for (const event of receiver.events) {
      if (event.type !== 'message' || event.data.kind !== 'text' || event.data.from_me) continue
      const chat = event.data.sender.pn
      const text = event.data.text.body
      const key = `${chat}/${text}`
      if (ids.has(key) && ids.get(key) !== event.id) faults.push(`${key} has two ids`)
      ids.set(key, event.id)
      if (!got.has(chat)) got.set(chat, [])
      got.get(chat).push(text)
    }
    const lost = []
    for (const [chat, texts] of this.offered) {
      const arrived = got.get(chat) ?? []
      const have = new Set(arrived)
      for (const text of texts) if (!have.has(text)) lost.push(text)
      const expected = texts.filter(text => have.has(text))
      if (JSON.stringify(arrived) !== JSON.stringify(expected)) {
        const at = arrived.findIndex((text, i) => text !== expected[i])
        faults.push(`order broken in ${chat} at ${at}: ${arrived.slice(at, at + 3)} for ${expected.slice(at, at + 3)}`)
      }
    }
    for (const chat of got.keys()) if (!this.offered.has(chat)) faults.push(`events of ${chat}, who wrote nothing`)
    const undecryptable = receiver.events.filter(event => event.type === 'message.undecryptable').length
    return { missing: lost.length, lost, faults, undecryptable }
  }
}
