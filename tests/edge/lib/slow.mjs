// Slow clients by the thousand, from as many loopback addresses as the limits ask for.
import { connect } from 'node:net'

const kinds = {
  // One byte of a head now and then.
  head: { first: 'GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-Slow: ', then: 'a' },
  // A body that was announced and never comes.
  body: { first: 'POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{', then: ' ' },
  // Half a request, then the end of our side only.
  half: { first: 'GET /openapi.json HTTP/1.1\r\nHo', half: true },
  // Two whole requests, and answers that nobody reads.
  deaf: { first: 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2), deaf: true }
}

// Half-closed ones are closed by the service at once and come again: few of them make the most noise.
const mixture = ['head', 'body', 'head', 'deaf', 'body', 'head', 'body', 'deaf', 'head', 'half']

export class SlowClients {
  constructor(port, { count = 4000, perAddress = 60, every = 1000 } = {}) {
    Object.assign(this, { port, count, perAddress, every, sockets: [], opened: 0, closed: 0, running: true })
  }
  async start() {
    for (let i = 0; i < this.count; i += 100) {
      await Promise.all(Array.from({ length: Math.min(100, this.count - i) }, (_, j) => this.open(i + j)))
    }
    this.timer = setInterval(() => {
      for (const one of this.sockets) if (one.kind.then && !one.socket.destroyed) one.socket.write(one.kind.then)
    }, this.every)
    return this
  }
  get alive() {
    return this.sockets.reduce((sum, one) => sum + (one.socket.destroyed ? 0 : 1), 0)
  }
  open(i) {
    const address = Math.floor(i / this.perAddress)
    const localAddress = `127.2.${Math.floor(address / 250)}.${(address % 250) + 1}`
    const kind = kinds[mixture[i % mixture.length]]
    return new Promise(resolve => {
      const socket = connect({ port: this.port, host: '127.0.0.1', localAddress, allowHalfOpen: true })
      const one = { socket, kind }
      this.sockets[i] = one
      socket.once('connect', () => {
        this.opened++
        socket.write(kind.first)
        if (kind.half) socket.end()
        if (kind.deaf) socket.pause()
        else socket.resume()
        resolve()
      })
      socket.on('error', () => resolve())
      socket.on('end', () => socket.destroy())
      socket.once('close', () => {
        this.closed++
        resolve()
        // About as many as before, always; not all of them in the same moment.
        if (this.running) setTimeout(() => this.running && this.open(i), 500 + (i * 7919) % 4000).unref()
      })
    })
  }
  stop() {
    this.running = false
    clearInterval(this.timer)
    for (const one of this.sockets) one?.socket.destroy()
  }
}
