// The short set of scripts/torture, and its honesty: with each promise broken on purpose it must find what is lost.
import test from 'node:test'
import assert from 'node:assert/strict'
import { torture } from '../faults/torture.mjs'

const points = Number(process.env.POINTS ?? 80)
const seed = Number(process.env.SEED ?? 20261124)

for (const kind of ['kills', 'cuts', 'errors']) {
  test(`${kind}: the service hurt at ${points} calls loses nothing`, { timeout: 600000 }, async t => {
    const report = await torture({ kind, points, seed })
    t.diagnostic(JSON.stringify(report))
    assert.deepEqual(report.faults, [])
    assert.equal(report.points, points)
    assert.ok(report.messages > points / 2 && report.run > 0 && report.start > 0, 'there was something to lose')
  })
}

const broken = [
  ['the sync switched off', 'cuts', 'WASLO_UNSAFE_NO_SYNC_FOR_TESTS'],
  ['the acknowledgement before the write', 'kills', 'WASLO_UNSAFE_EARLY_ACK_FOR_TESTS'],
  ['the duplicate mark in a write of its own', 'kills', 'WASLO_UNSAFE_MARKS_FIRST_FOR_TESTS']
]
for (const [what, kind, name] of broken) {
  test(`with ${what} it finds a loss`, { timeout: 600000 }, async t => {
    const report = await torture({ kind, points: 2000, seed, unsafe: { [name]: '1' }, once: true, patience: 4000 })
    t.diagnostic(JSON.stringify(report))
    assert.ok(report.faults.some(one => /missing|not decrypted|two ids|changed/.test(one)), 'a broken promise must be seen')
  })
}
