// What the benches share: reading a process from outside, running many at once, percentiles, the report.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cpus, totalmem } from 'node:os'
import { pause } from '../e2e/lib/programs.mjs'

const ticks = 100 // CLK_TCK of every Linux that this runs on

const field = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN)

// Bytes, threads and CPU seconds of a process.
export function measure(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')
  return {
    rss_bytes: field(rollup, 'Rss') * 1024,
    anonymous_bytes: field(rollup, 'Anonymous') * 1024,
    threads: field(status, 'Threads'),
    cpu_seconds: (Number(stat[11]) + Number(stat[12])) / ticks
  }
}

// Waits until the resident memory has moved by less than `share` over `seconds`.
export async function stable(pid, { seconds = 5, share = 0.005, ms = 120000 } = {}) {
  const end = Date.now() + ms
  let before = measure(pid)
  for (;;) {
    await pause(seconds * 1000)
    const now = measure(pid)
    if (Math.abs(now.rss_bytes - before.rss_bytes) <= before.rss_bytes * share || Date.now() > end) return now
    before = now
  }
}

export async function cpuPerMinute(pid, seconds) {
  const before = measure(pid).cpu_seconds
  const start = performance.now()
  await pause(seconds * 1000)
  return ((measure(pid).cpu_seconds - before) * 60000) / (performance.now() - start)
}

// Runs work(i) for 0..count-1, `width` of them at a time.
export async function pool(count, width, work) {
  let next = 0
  const one = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, one))
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function folderBytes(path) {
  let sum = 0
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const full = join(path, entry.name)
    if (entry.isDirectory()) sum += folderBytes(full)
    else if (entry.isFile()) sum += statSync(full).size
  }
  return sum
}

// All sessions of the organization by status: { WORKING: 500 }.
export async function statuses(bridge) {
  const count = {}
  let cursor
  do {
    const page = await bridge.must('GET', `/v1/sessions?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
    for (const session of page.data) count[session.status] = (count[session.status] ?? 0) + 1
    cursor = page.next_cursor
  } while (cursor)
  return count
}

export async function allWorking(bridge, sessions, ms) {
  const end = Date.now() + ms
  for (;;) {
    const count = await statuses(bridge)
    if ((count.WORKING ?? 0) >= sessions) return
    if (Date.now() > end) throw new Error(`not all WORKING within ${ms} ms: ${JSON.stringify(count)}`)
    await pause(100)
  }
}

// name=value from the command line: --sessions 500 --json FILE.
export function options(known) {
  const out = { ...known }
  const args = process.argv.slice(2)
  while (args.length > 0) {
    const name = args.shift().replace(/^--/, '').replaceAll('-', '_')
    if (!(name in known)) throw new Error(`unknown option --${name}`)
    const value = args.shift()
    if (value === undefined) throw new Error(`--${name} takes a value`)
    out[name] = typeof known[name] === 'number' ? Number(value) : value
  }
  return out
}

export const say = text => process.stderr.write(text + '\n')

// A table for people on standard output, JSON for programs in a file; false when a floor was missed.
export function report(bench, figures, { json, floors = {} } = {}) {
  const all = { bench, cpus: cpus().length, memory_bytes: totalmem(), ...figures }
  const width = Math.max(...Object.keys(all).map(key => key.length))
  for (const [key, value] of Object.entries(all)) {
    const shown = typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(3) : String(value)
    console.log(`${key.padEnd(width)}  ${shown}${key in floors ? `  (at most ${floors[key]})` : ''}`)
  }
  if (json) writeFileSync(json, JSON.stringify(all, null, 2) + '\n')
  let good = true
  for (const [key, most] of Object.entries(floors)) {
    if (all[key] > most) {
      say(`${bench}: ${key} is ${all[key]}, at most ${most} are allowed`)
      good = false
    }
  }
  return good
}
