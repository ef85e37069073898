// What the documents claim must be there: tests, files, headings, and an answer to every line of the standard.
// The second half breaks a copy of the repository in each of the ways that the check is for.
import { after, before, test } from 'node:test'
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findings, inventory, readManifest, testProblem } from '../../scripts/lib/manifest.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
let copy

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'waslo-documents-'))
  const left = /(^|\/)(build|node_modules|\.git|\.cache|artifacts|corpus)$/
  cpSync(root, copy, { recursive: true, filter: path => !left.test(path) })
})
after(() => rmSync(copy, { recursive: true, force: true }))

test('what the documents name is there', () => {
  assert.deepEqual(findings(root), [])
})

test('level 1 and 2 are answered to the last line, and what is open says why', () => {
  const { requirements } = readManifest(root)
  for (const one of requirements.filter(each => each.level < 3)) assert.match(one.status, /^(met|not applicable|gap)$/)
  for (const one of requirements.filter(each => each.status !== 'met')) assert(one.reason.length >= 12, one.id)
  assert.equal(requirements.length, 345)
})

test('the inventory knows tests of every kind and no others', () => {
  const known = inventory(root)
  for (const name of ['Seal.EveryFlippedBitIsRefused', 'KeyringTest.SameKeysAfterReopening', 'LanesProperty.KeepsOrderWindowAndEveryDelivery',
    'tests/e2e/kill.test.mjs: 200 kills while 2000 messages flow: nothing lost, order kept, one id each']) assert.equal(testProblem(known, name), undefined)
  for (const name of ['Seal.Nothing', 'seal', 'tests/e2e/none.test.mjs: x', 'tests/e2e/api.test.mjs: x', '']) assert(testProblem(known, name), name)
})

// Ways to break a claim: a file, what to do with its text, and what must be found.
const edit = (path, from, to) => ({ path, change: text => { assert(text.includes(from), `${path} holds ${from}`); return text.replace(from, to) } })
const manifest = change => ({ path: 'docs/asvs.json', change: text => { const all = JSON.parse(text); change(all.requirements, id => all.requirements.find(one => one.id === id)); return JSON.stringify(all) } })
const breakages = [
  ['a test is renamed', edit('tests/storage/seal_test.cc', 'TEST(Seal, EveryFlippedBitIsRefused)', 'TEST(Seal, EveryFlippedBitIsKept)'), /docs\/security\.md:\d+: there is no test Seal\.EveryFlippedBitIsRefused/],
  ['a test is commented out', edit('tests/storage/seal_test.cc', 'TEST(Seal, ARecordMovedAnywhereElseDoesNotOpen)', '// TEST(Seal, ARecordMovedAnywhereElseDoesNotOpen)'), /no test Seal\.ARecordMoved/],
  ['a test is disabled', edit('tests/storage/seal_test.cc', 'TEST(Seal, ARecordMovedAnywhereElseDoesNotOpen)', 'TEST(Seal, DISABLED_ARecordMovedAnywhereElseDoesNotOpen)'), /no test Seal\.ARecordMoved/],
  ['a node test is renamed', edit('tests/e2e/api.test.mjs', 'what belongs to another organization does not exist', 'x'), /has no test "what belongs to another organization does not exist"/],
  ['a file of tests is gone', { path: 'tests/clients/receivers.test.mjs' }, /there is no tests\/clients\/receivers\.test\.mjs/],
  ['a file of code is gone', { path: 'webhook/guard.h', also: 'webhook/guard.cc' }, /there is no webhook\/guard/],
  ['the README names a file that is gone', { path: 'scripts/quickstart' }, /README\.md:\d+: there is no scripts\/quickstart/],
  ['a heading is renamed', edit('docs/security-design.md', '## Sign-in', '## Signing in'), /docs\/security-design\.md has no heading #sign-in/],
  ['a link leads nowhere', edit('SECURITY.md', '(docs/asvs.md)', '(docs/asvs-5.md)'), /SECURITY\.md:\d+: there is no docs\/asvs-5\.md/],
  ['a requirement is left out', manifest(all => all.splice(all.findIndex(one => one.id === 'V6.3.2'), 1)), /V6\.3\.2: is not answered/],
  ['a requirement is there twice', manifest((all, get) => all.push(get('V6.3.2'))), /V6\.3\.2: is there twice/],
  ['a requirement is invented', manifest((all, get) => all.push({ ...get('V6.3.2'), id: 'V6.3.9' })), /V6\.3\.9: is no requirement/],
  ['a requirement is met by no test', manifest((_, get) => { get('V6.3.2').tests = [] }), /V6\.3\.2: is met by no test/],
  ['a requirement is met by a test that is not there', manifest((_, get) => { get('V6.3.2').tests.push('Setup.Nothing') }), /V6\.3\.2: there is no test Setup\.Nothing/],
  ['a requirement names code that is not there', manifest((_, get) => { get('V6.3.2').where.push('bridge/nothing') }), /V6\.3\.2: there is no bridge\/nothing/],
  ['a gap without a reason', manifest((_, get) => { get('V3.7.5').reason = '' }), /V3\.7\.5: gives no reason/],
  ['an unknown status', manifest((_, get) => { get('V6.3.2').status = 'soon' }), /V6\.3\.2: has the status "soon"/],
  ['a level is lowered', manifest((_, get) => { get('V6.3.2').level = 3 }), /level 1 has 69 requirements, not 70/],
  ['the page differs from its source', edit('docs/asvs.md', '## Gaps', '## Gasp'), /docs\/asvs\.md: differs/]
]

test('every way to break a claim is found', () => {
  assert.deepEqual(findings(copy), [])
  let passed = 0
  for (const [name, { path, change, also }, expected] of breakages) {
    const file = join(copy, path)
    const text = readFileSync(file, 'utf8')
    if (change) writeFileSync(file, change(text))
    else for (const one of [path, also].filter(Boolean)) renameSync(join(copy, one), join(copy, one) + '.gone')
    const found = findings(copy)
    assert(found.some(one => expected.test(one)), `${name}: ${JSON.stringify(found)}`)
    if (change) writeFileSync(file, text)
    else for (const one of [path, also].filter(Boolean)) renameSync(join(copy, one) + '.gone', join(copy, one))
    passed += 1
  }
  assert.deepEqual(findings(copy), [])
  if (process.env.WAB_TABLES_DIR) writeFileSync(join(process.env.WAB_TABLES_DIR, 'broken documents.json'), JSON.stringify({ name: 'broken documents', rows: breakages.length, passed }))
})

test('the script answers with its exit code', () => {
  const script = join(root, 'scripts/check-manifest')
  const run = (...args) => spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  assert.equal(run('--root', copy).status, 0)
  const file = join(copy, 'docs/security.md')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text + '\n`Seal.Nothing`\n')
  const broken = run('--root', copy)
  writeFileSync(file, text)
  assert.equal(broken.status, 1)
  assert.match(broken.stdout, /there is no test Seal\.Nothing/)
  assert.equal(run('--nothing').status, 2)
  assert.equal(run('--help').status, 0)
})
