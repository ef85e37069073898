// A well-behaved client in a process of its own: asks at a steady pace and prints how long each answer took.
//
//   node healthy.mjs BASE TOKEN FROM[,FROM...] SECONDS PER_SECOND      the last line is JSON
//
// Latency counts from when a request was due, so that a stall is seen by every request that fell into it.
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { spawn } from 'node:child_process'

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

async function ask(base, token, from, seconds, rate) {
  const agents = from.map(localAddress => new http.Agent({ keepAlive: true, maxSockets: 8, localAddress }))
  const url = new URL(base + '/v1/sessions?limit=1')
  const took = []
  let failed = 0, sent = 0
  const one = due => new Promise(resolve => {
    const req = http.get(url, { agent: agents[sent % agents.length], headers: { authorization: `Bearer ${token}` }, timeout: 10000 }, res => {
      res.resume()
      res.on('end', () => {
        took.push(performance.now() - due)
        if (res.statusCode !== 200) failed++
        resolve()
      })
    })
    req.on('timeout', () => req.destroy(new Error('timeout')))
    req.on('error', () => { failed++; resolve() })
  })
  const start = performance.now()
  const running = []
  while (performance.now() - start < seconds * 1000) {
    const due = start + (sent * 1000) / rate
    const wait = due - performance.now()
    if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait))
    sent++
    running.push(one(Math.min(due, performance.now())))
  }
  await Promise.all(running)
  for (const agent of agents) agent.destroy()
  return { requests: sent, failed, p50_ms: percentile(took, 0.5), p99_ms: percentile(took, 0.99), max_ms: percentile(took, 1) }
}

// The same from another program.
export function healthy(base, token, { from = '127.0.0.1', seconds = 5, rate = 200 } = {}) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), base, token, from, String(seconds), String(rate)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', data => { text += data })
  return new Promise((resolve, reject) => {
    child.once('exit', code => code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`healthy client: exit ${code}`)))
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [base, token, from, seconds, rate] = process.argv.slice(2)
  console.log(JSON.stringify(await ask(base, token, from.split(','), Number(seconds), Number(rate))))
}
