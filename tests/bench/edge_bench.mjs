// What a flood of bad requests and thousands of slow clients do to somebody else's latency.
//
//   WAB_BIN_DIR=build/release/bin node tests/bench/edge_bench.mjs [--rate 20000] [--seconds 5] [--rounds 5] [--json FILE]
//
// In turn, round by round: a healthy client of one organization alone, the same beside RATE bad requests per second
// from one address (tests/bench/edge_attack.cc), the same beside 4,000 slow sockets. Limits are the defaults. The
// attacker and the client run on the same cores as the service: its part of the figures is included.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { binDir, Bridge, remove, workDir } from '../e2e/lib/programs.mjs'
import { healthy } from '../edge/lib/healthy.mjs'
import { SlowClients } from '../edge/lib/slow.mjs'
import { measure, options, percentile, report, say } from './lib.mjs'

const wish = options({ rate: 20000, seconds: 5, rounds: 5, slow: 4000, json: '' })
const dir = workDir('bench-edge')
const nobody = { chatUrl: 'ws://127.0.0.1:9/ws/chat', noiseRootKey: '00'.repeat(32), plain: true }

function attack(port, seconds) {
  const child = spawn(join(binDir, 'edge_attack'), [String(port), '127.3.0.1', String(wish.rate), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', data => { text += data })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`edge_attack: exit ${code}`)))
  })
}

const middle = values => percentile(values, 0.5)
let bridge, slow, good = false
try {
  // The default for an address, from five of which the healthy client asks. Its organization has bought more than
  // the default, and asks 200 times a second.
  bridge = await new Bridge(dir, nobody, {
    extra: { limits: { token_per_minute: 1000000, organization_per_minute: 1000000, address_per_minute: 3000 } }
  }).start()
  await bridge.bootstrap()
  const port = Number(new URL(bridge.base).port)
  const pid = bridge.program.child.pid
  const client = () => healthy(bridge.base, bridge.token, { from: '127.4.0.1,127.4.0.2,127.4.0.3,127.4.0.4,127.4.0.5', seconds: wish.seconds, rate: 200 })
  await client() // warms up
  const alone = [], attacked = [], slowed = [], floods = [], cpu = []
  for (let round = 0; round < wish.rounds; round++) {
    alone.push(await client())
    const before = measure(pid).cpu_seconds
    const flood = attack(port, wish.seconds + 1)
    attacked.push(await client())
    floods.push(await flood)
    cpu.push((measure(pid).cpu_seconds - before) / (wish.seconds + 1))
    slow = await new SlowClients(port, { count: wish.slow }).start()
    slowed.push(await client())
    slow.stop()
    const [a, b, c] = [alone, attacked, slowed].map(list => list.at(-1).p99_ms.toFixed(2))
    say(`round ${round + 1}: p99 ${a} ms alone, ${b} ms under attack, ${c} ms beside ${wish.slow} slow sockets`)
  }
  const p99 = list => list.map(one => one.p99_ms)
  const ratios = attacked.map((one, i) => one.p99_ms / alone[i].p99_ms)
  const perSecond = name => middle(floods.map(one => one[name] / one.seconds))
  good = report('edge', {
    rounds: wish.rounds,
    attack_attempts_per_second: wish.rate,
    attack_sent_per_second: perSecond('sent'),
    attack_kept_out_per_second: perSecond('unsent'),
    attack_connects_per_second: perSecond('connects'),
    attack_answered_per_second: middle(floods.map(one => (one.client_errors + one.limited + one.server_errors + one.ok) / one.seconds)),
    attack_server_errors: floods.reduce((sum, one) => sum + one.server_errors, 0),
    bridge_cpu_share_under_attack: middle(cpu),
    alone_p99_ms: middle(p99(alone)),
    alone_p99_ms_low: Math.min(...p99(alone)),
    alone_p99_ms_high: Math.max(...p99(alone)),
    attacked_p99_ms: middle(p99(attacked)),
    attacked_p99_ms_low: Math.min(...p99(attacked)),
    attacked_p99_ms_high: Math.max(...p99(attacked)),
    attacked_p99_ratio: middle(ratios),
    attacked_p99_ratio_low: Math.min(...ratios),
    attacked_p99_ratio_high: Math.max(...ratios),
    slow_sockets: wish.slow,
    slow_p99_ms: middle(p99(slowed)),
    slow_p99_ms_low: Math.min(...p99(slowed)),
    slow_p99_ms_high: Math.max(...p99(slowed)),
    failed_requests: [...alone, ...attacked, ...slowed].reduce((sum, one) => sum + one.failed, 0)
  }, { json: wish.json, floors: { attacked_p99_ratio: 2, slow_p99_ms: 20, failed_requests: 0, attack_server_errors: 0 } })
} finally {
  slow?.stop()
  await bridge?.stop()
  remove(dir)
}
process.exit(good ? 0 : 1)
