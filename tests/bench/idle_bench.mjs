// What an idle session costs: memory, CPU, threads; how long all of them take to come back after a restart.
//
//   WAB_BIN_DIR=build/release/bin node tests/bench/idle_bench.mjs [--sessions 500] [--json FILE]
import { Bridge, remove, startSandbox, workDir } from '../e2e/lib/programs.mjs'
import { allWorking, cpuPerMinute, folderBytes, measure, options, percentile, pool, report, say, stable } from './lib.mjs'

const kMostPerSession = 100 * 1024
const wish = options({ sessions: 500, json: '', idle_seconds: 20, width: 8 })
const dir = workDir('bench-idle')
const clock = () => performance.now() / 1000
let sandbox, bridge, good = false
try {
  sandbox = await startSandbox(dir)
  bridge = await new Bridge(dir, sandbox, {
    extra: {
      whatsapp: { connects_per_second: 1000 },
      limits: {
        token_per_minute: 10000000, organization_per_minute: 10000000, address_per_minute: 10000000,
        sessions_per_organization: wish.sessions + 1
      }
    }
  }).start()
  await bridge.bootstrap()
  const empty = await stable(bridge.program.child.pid)
  say(`empty: ${(empty.rss_bytes / 1048576).toFixed(1)} MiB; pairing ${wish.sessions} sessions`)

  const pairing = []
  const begun = clock()
  await pool(wish.sessions, wish.width, async i => {
    const from = clock()
    await bridge.pair(sandbox, `bench ${i}`)
    pairing.push(clock() - from)
    if (pairing.length % 50 === 0) say(`  ${pairing.length} paired after ${(clock() - begun).toFixed(1)} s`)
  })
  const paired = clock() - begun
  await allWorking(bridge, wish.sessions, 60000)
  const fresh = await stable(bridge.program.child.pid)
  say(`paired in ${paired.toFixed(1)} s; restarting`)
  await bridge.stop()

  // What is told is the state after a restart: no trace of pairing, as in service.
  const restart = clock()
  await bridge.start()
  const listening = clock() - restart
  await allWorking(bridge, wish.sessions, 300000)
  const reconnect = clock() - restart
  const pid = bridge.program.child.pid
  say(`all WORKING ${reconnect.toFixed(2)} s after the start; settling`)
  const settled = await stable(pid)
  const cpu = await cpuPerMinute(pid, wish.idle_seconds)
  const idle = await stable(pid)
  good = report('idle', {
    sessions: wish.sessions,
    rss_bytes_empty: empty.rss_bytes,
    rss_bytes: idle.rss_bytes,
    rss_bytes_per_session: Math.round((idle.rss_bytes - empty.rss_bytes) / wish.sessions),
    anonymous_bytes_per_session: Math.round((idle.anonymous_bytes - empty.anonymous_bytes) / wish.sessions),
    rss_bytes_per_session_settling: Math.round((settled.rss_bytes - empty.rss_bytes) / wish.sessions),
    rss_bytes_per_session_after_pairing: Math.round((fresh.rss_bytes - empty.rss_bytes) / wish.sessions),
    cpu_seconds_per_minute: cpu,
    cpu_seconds_of_reconnect: settled.cpu_seconds,
    listening_seconds: listening,
    reconnect_seconds: reconnect,
    reconnects_per_second: wish.sessions / reconnect,
    pairing_seconds: paired,
    pairings_per_second: wish.sessions / paired,
    pairing_p50_seconds: percentile(pairing, 0.5),
    pairing_p99_seconds: percentile(pairing, 0.99),
    threads: idle.threads,
    sandbox_rss_bytes: measure(sandbox.program.child.pid).rss_bytes,
    disk_bytes_per_session: Math.round(folderBytes(bridge.data) / wish.sessions)
  }, { json: wish.json, floors: { rss_bytes_per_session: kMostPerSession } })
} finally {
  await bridge?.stop()
  await sandbox?.program.stop()
  if (!process.env.WAB_KEEP) remove(dir)
}
process.exit(good ? 0 : 1)
