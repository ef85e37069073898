// Kills, power cuts and failing disks at chosen calls of the unmodified service; see scripts/torture --help.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { dice } from '../e2e/lib/oracle.mjs'
import { World } from './world.mjs'

// Lives between two looks at everything, and between two new worlds.
const lives = 20, era = 400

const doings = [
  [0.60, 'receive', undefined],
  [0.77, 'send', world => world.send()],
  [0.84, 'pair', world => world.pair()],
  [0.90, 'delete a session', world => world.erase()],
  [1.00, 'create and delete an organization', world => world.tenant()]
]
const hour = 3600, year = 365 * 24 * hour
const clocks = [-10 * year, -40 * 24 * hour, -hour, hour, 40 * 24 * hour, 10 * year]
const errors = ['eio', 'enospc', 'half', 'eio_from', 'enospc_from']

// Where it hurts: the call of this life at which it happens. A start makes about 55 calls, a message eight, a pairing a
// hundred; what is asked for begins after the start.
function fault(kind, random, name) {
  const span = { receive: 60, send: 80 }[name] ?? 180
  const at = 1 + Math.floor(random() < 0.25 ? random() * 60 : 45 + random() * span)
  const deed = random() < 0.5 ? 'kill_before' : 'kill_after'
  if (kind === 'kills') return { at, deed }
  if (kind === 'cuts') return { at, deed, hold: 1 + Math.floor(random() * 1e9) }
  if (kind === 'clocks') return { at, deed, clock: clocks[Math.floor(random() * clocks.length)] }
  if (kind === 'files') return { at, deed, files: 1024, crowd: 600 }
  return { at, deed: errors[Math.floor(random() * errors.length)] }
}

// `unsafe` as for World. Stops at the first fault when `once`.
export async function torture({ kind, points, seed = 20261124, unsafe, once = false, patience = 120000, say = () => {} }) {
  const random = dice(seed)
  const report = { kind, points: 0, start: 0, run: 0, idle: 0, messages: 0, sends: 0, requests: 0, repeats: 0, doings: {}, faults: [] }
  const begun = Date.now()
  while (report.points < points && !(once && report.faults.length > 0)) {
    const world = new World(random, unsafe)
    world.patience = patience
    await world.open()
    try {
      await world.bridge.kill()
      for (let life = 0; life < era && report.points < points && !(once && world.faults.length > 0);) {
        for (let i = 0; i < lives && report.points < points; i++, life++) {
          const dice = random()
          const [, name, doing] = doings.find(([below]) => dice < below)
          report[await world.life(fault(kind, random, name), doing)]++
          report.points++
          report.doings[name] = (report.doings[name] ?? 0) + 1
        }
        await world.check()
        say(`${kind}: ${report.points} of ${points} points, ${report.faults.length + world.faults.length} faults`)
        await world.bridge.kill()
      }
    } catch (error) {
      world.faults.push(`the rig: ${error.stack}`)
    }
    report.messages += world.texts
    report.sends += world.sends.length
    report.requests += world.receiver.requests.length
    report.repeats += world.receiver.requests.length - world.receiver.seen.size
    const dir = await world.close()
    for (const one of world.faults) report.faults.push(`${one} (${dir})`)
  }
  report.seconds = Math.round((Date.now() - begun) / 1000)
  return report
}

// The parts of one run, each in a world of its own, and their sum.
function sum(kind, parts, seconds) {
  const out = { kind, points: 0, start: 0, run: 0, idle: 0, messages: 0, sends: 0, requests: 0, repeats: 0, doings: {}, faults: [] }
  for (const part of parts) {
    for (const [key, value] of Object.entries(part)) {
      if (typeof value === 'number') out[key] = (out[key] ?? 0) + value
      else if (Array.isArray(value)) out[key].push(...value)
      else if (key === 'doings') for (const [name, count] of Object.entries(value)) out.doings[name] = (out.doings[name] ?? 0) + count
    }
  }
  return { ...out, seconds }
}

function table(reports) {
  const rows = [['kind', 'points', 'in the start', 'in the work', 'ran out of work', 'messages', 'sends', 'requests', 'repeats', 'faults', 'seconds']]
  for (const one of reports) {
    rows.push([one.kind, one.points, one.start, one.run, one.idle, one.messages, one.sends, one.requests, one.repeats, one.faults.length, one.seconds].map(String))
  }
  const lines = rows.map(row => `| ${row.join(' | ')} |`)
  lines.splice(1, 0, `|${' --- |'.repeat(rows[0].length)}`)
  return lines.join('\n')
}

if (process.argv[2] === '--worker') {
  const [kind, points, seed] = process.argv.slice(3)
  const report = await torture({ kind, points: Number(points), seed: Number(seed), say: line => process.stderr.write(`${line}\n`) })
  process.stdout.write(JSON.stringify(report), () => process.exit(0))
} else if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [points, seed, workers, json, ...kinds] = process.argv.slice(2)
  const self = fileURLToPath(import.meta.url)
  const reports = []
  for (const kind of kinds) {
    const begun = Date.now()
    const each = Array.from({ length: Number(workers) }, (_, i) => Math.floor((Number(points) + i) / Number(workers))).filter(count => count > 0)
    const parts = await Promise.all(each.map((count, i) => new Promise((resolve, reject) => {
      execFile(process.execPath, [self, '--worker', kind, String(count), String(Number(seed) + i)], { maxBuffer: 1 << 28 }, (error, out) => error ? reject(error) : resolve(JSON.parse(out)))
        .stderr.pipe(process.stderr)
    })))
    reports.push(sum(kind, parts, Math.round((Date.now() - begun) / 1000)))
  }
  console.log(table(reports))
  const faults = reports.flatMap(one => one.faults)
  for (const one of faults) console.log(`fault: ${one}`)
  if (json) writeFileSync(json, JSON.stringify(reports, null, 1))
  process.exit(faults.length === 0 ? 0 : 1)
}
