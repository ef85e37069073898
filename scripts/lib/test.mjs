// What scripts/test does once everything is installed. See its --help.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const results = join(root, 'build/test-results')
const dev = join(root, 'build/dev')
const fuzz = join(root, 'build/fuzz')
const modules = join(root, 'tests/e2e/node_modules')
const tools = join(root, 'tests/tools/node_modules')
const tables = join(results, 'tables')
const out = text => process.stdout.write(text + '\n')

const wish = { only: [], fuzzSeconds: 30 }
for (let args = process.argv.slice(2); args.length > 0;) {
  const arg = args.shift()
  if (arg === '--only') wish.only.push(args.shift())
  else if (arg === '--fuzz-seconds') wish.fuzzSeconds = Number(args.shift())
  else if (arg === '--asan') wish.asan = true
  else if (arg === '--list') wish.list = true
}
if (!(wish.fuzzSeconds >= 1)) {
  process.stderr.write('test: --fuzz-seconds: write a whole number (--help tells more)\n')
  process.exit(2)
}

// ---- running and counting ----------------------------------------------------------------------

const tally = { passed: 0, failed: 0 }
const failures = []
const seconds = since => Math.round((Date.now() - since) / 100) / 10

// Runs one command into a log. {code, text, seconds}; a limit of time ends the whole group.
function run(command, args, { env = {}, cwd = root, log, limit = 900 } = {}) {
  const began = Date.now()
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    running.add(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { text += data })
    const timer = setTimeout(() => {
      text += `\nended after ${limit} s\n`
      endGroup(child)
    }, limit * 1000)
    const done = code => {
      clearTimeout(timer)
      running.delete(child)
      if (log) writeFileSync(log, text)
      resolve({ code, text, seconds: seconds(began) })
    }
    child.on('error', error => { text += error.message; done(127) })
    child.on('close', (code, signal) => done(code ?? signal))
  })
}
const running = new Set()
const endGroup = child => { try { process.kill(-child.pid, 'SIGKILL') } catch { /* ended already */ } }
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(1)
  })
}

// With what the command prints on the terminal: for builds.
const shown = (command, args) => new Promise(resolve => {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', () => resolve(127))
  child.on('close', code => resolve(code ?? 1))
})

function count(name, passed, failed, { took, words } = {}) {
  tally.passed += passed
  tally.failed += failed
  out(`${failed > 0 ? 'FAILED' : 'ok    '} ${name}: ${passed} passed, ${failed} failed${took === undefined ? '' : ` (${took} s)`}`)
  if (failed === 0) return
  failures.push(name)
  if (words) out(words.trimEnd().split('\n').slice(-60).map(line => `    ${line}`).join('\n'))
}

const filesIn = (folder, pattern) => existsSync(join(root, folder))
  ? readdirSync(join(root, folder)).filter(name => pattern.test(name)).sort().map(name => join(folder, name))
  : []

function sources(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(path)
    return /\.(cc|h)$/.test(entry.name) ? [path] : []
  })
}

// ---- the suites ---------------------------------------------------------------------------------
// A part is {name, run}; its run counts itself. build() answers false when nothing can run.

async function build(preset, targets = []) {
  const began = Date.now()
  out(`\n== building ${preset}`)
  const ready = await run('cmake', ['--preset', preset], { log: join(results, `configure-${preset}.log`) })
  if (ready.code !== 0) {
    out(ready.text)
    return false
  }
  const code = await shown('cmake', ['--build', join(root, 'build', preset), ...(targets.length > 0 ? ['--target', ...targets] : [])])
  out(`built ${preset} in ${seconds(began)} s`)
  return code === 0
}

// GoogleTest writes its own account: what is not in it did not run.
async function gtest(name, program, env) {
  const account = join(results, `${name.replaceAll('/', '-')}.json`)
  rmSync(account, { force: true })
  const done = await run(program, [`--gtest_output=json:${account}`, '--gtest_brief=1'], { env, log: account.replace(/json$/, 'log') })
  if (!existsSync(account)) return count(name, 0, 1, { took: done.seconds, words: `${done.text}\nended with ${done.code}, without an account of its tests` })
  const cases = JSON.parse(readFileSync(account, 'utf8')).testsuites.flatMap(suite => suite.testsuite)
    // The other half of a test that kills a process: that test runs it, as a process of its own.
    .filter(one => one.name !== 'DISABLED_InAChild')
  const bad = cases.filter(one => one.result !== 'COMPLETED' || one.failures)
  const passed = cases.length - bad.length
  const words = [...bad.map(one => `${one.classname}.${one.name} ${one.result === 'COMPLETED' ? 'failed' : one.result.toLowerCase()}`), done.text].join('\n')
  const crashed = bad.length === 0 && (done.code !== 0 || passed === 0) ? 1 : 0
  count(name, passed, bad.length + crashed, { took: done.seconds, words })
}

async function nodeTest(name, file, { env = {}, limit = 900 } = {}) {
  const log = join(results, `${name.replaceAll('/', '-')}.tap`)
  const done = await run(process.execPath, ['--test', '--test-reporter=tap', file], { env, log, limit })
  const last = word => Number([...done.text.matchAll(new RegExp(`^# ${word} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? 0)
  const passed = last('pass')
  const failed = last('fail') + last('cancelled') + last('skipped') + last('todo')
  const crashed = failed === 0 && (done.code !== 0 || passed === 0) ? 1 : 0
  const words = done.text.split('\n').filter(line => !/^\s*(duration_ms|type|location|---|\.\.\.)/.test(line)).join('\n')
  count(name, passed, failed + crashed, { took: done.seconds, words })
}

async function check(name, command, args, options) {
  const done = await run(command, args, options)
  count(name, done.code === 0 ? 1 : 0, done.code === 0 ? 0 : 1, { took: done.seconds, words: done.text })
}

// Node looks for modules beside the test file: a folder of links, which git ignores, stands there.
function linkModules(folder, names) {
  const whole = join(root, folder, 'node_modules')
  if (existsSync(whole) && lstatSync(whole).isSymbolicLink()) rmSync(whole)
  mkdirSync(whole, { recursive: true })
  for (const name of names) {
    const link = join(root, folder, 'node_modules', name)
    rmSync(link, { recursive: true, force: true })
    symlinkSync(join(modules, name), link)
  }
}

// The same for the tests that judge with tests/tools: one link to all of its modules.
function linkTools(folder) {
  const link = join(root, folder, 'node_modules')
  rmSync(link, { recursive: true, force: true })
  symlinkSync(tools, link)
}

async function twoAtATime(parts) {
  const queue = [...parts]
  await Promise.all([1, 2].map(async () => {
    for (let part = queue.shift(); part; part = queue.shift()) await part.run()
  }))
}
// What takes minutes begins first, so that nothing long is left alone at the end.
function longestFirst(files) {
  const long = ['kill', 'torture', 'canaries', 'operations', 'scenarios_attempt']
  const rank = file => (long.indexOf(basename(file, '.test.mjs')) + 1) || long.length + 1
  return [...files].sort((a, b) => rank(a) - rank(b))
}
async function oneByOne(parts) {
  for (const part of parts) await part.run()
}

const programs = { WAB_BIN_DIR: join(dev, 'bin'), WAB_TABLES_DIR: tables }
const unitPrograms = () => [...readFileSync(join(root, 'tests/CMakeLists.txt'), 'utf8').matchAll(/^wab_test\((\w+)/gm)].map(match => match[1])

// Node's tests of one folder, which judge with tests/tools.
const judged = name => existsSync(join(root, 'tests', name)) ? [{
  name,
  build: async () => {
    linkTools(`tests/${name}`)
    return build('dev', ['waslo-bridge', 'waslo-sandbox'])
  },
  parts: () => filesIn(`tests/${name}`, /\.test\.mjs$/).map(file => {
    const part = `${name}/${basename(file, '.test.mjs')}`
    return { name: part, run: () => nodeTest(part, file, { env: programs, limit: 1200 }) }
  })
}] : []

const suites = [
  { name: 'structure', parts: () => [{ name: 'structure', run: () => check('structure', join(root, 'scripts/check-structure'), []) }] },
  {
    name: 'format',
    parts: () => [{
      name: 'format',
      run: () => check('format', 'clang-format-14', ['--dry-run', '-Werror', ...['storage', 'session', 'webhook', 'bridge', 'tests'].flatMap(sources)])
    }]
  },
  {
    name: 'unit',
    order: twoAtATime,
    build: () => build('dev'),
    parts: () => unitPrograms().map(name => ({ name: `unit/${name}`, run: () => gtest(`unit/${name}`, join(dev, 'bin', name), programs) }))
  },
  {
    name: 'scripts',
    build: () => build('dev', ['waslo-bridge', 'waslo-sandbox']),
    parts: () => [{ name: 'scripts/quickstart', run: quickstart }]
  },
  ...judged('edge'),
  {
    name: 'differential',
    alongside: true, // the other side computes its curve in JavaScript: one processor for minutes
    build: async () => {
      linkModules('tests/differential', ['baileys', 'libsignal'])
      return build('dev', ['codec_peer', 'signal_peer'])
    },
    parts: () => filesIn('tests/differential', /\.test\.mjs$/).map(file => {
      const name = `differential/${basename(file, '.test.mjs')}`
      return { name, run: () => nodeTest(name, file, { env: { WAB_CASES: '1000', ...process.env, ...programs }, limit: 1800 }) }
    })
  },
  {
    name: 'e2e',
    order: twoAtATime, // each has its own directory and ports; they wait for conditions more than they compute
    build: () => build('dev', ['waslo-bridge', 'waslo-sandbox']),
    parts: () => longestFirst(filesIn('tests/e2e', /\.test\.mjs$/)).map(file => {
      const name = `e2e/${basename(file, '.test.mjs')}`
      return { name, run: () => nodeTest(name, file, { env: programs, limit: 1200 }) }
    })
  },
  ...['console', 'clients', 'packages', 'documents'].flatMap(judged),
  {
    name: 'fuzz',
    order: twoAtATime,
    build: () => build('fuzz'),
    parts: () => filesIn('tests/fuzz', /_fuzz\.cc$/).map(file => {
      const target = basename(file, '.cc')
      return { name: `fuzz/${target}`, run: () => fuzzOne(target) }
    })
  },
  {
    name: 'asan',
    optional: true,
    build: () => build('asan', ['test_base', 'test_protocol']),
    parts: () => ['test_base', 'test_protocol'].map(name => ({ name: `asan/${name}`, run: () => gtest(`asan/${name}`, join(root, 'build/asan/bin', name)) }))
  }
]

// The kept corpus is only read; what is found goes to build/fuzz.
async function fuzzOne(target) {
  const found = join(fuzz, 'corpus', target)
  const bad = join(results, `${target}-`)
  mkdirSync(found, { recursive: true })
  const kept = ['tests/fuzz/corpus/' + target].map(folder => join(root, folder)).filter(existsSync)
  await check(`fuzz/${target}`, join(fuzz, 'bin', target), [`-max_total_time=${wish.fuzzSeconds}`, '-timeout=10', '-rss_limit_mb=2048', `-artifact_prefix=${bad}`, '-print_final_stats=1', found, ...kept],
    { log: join(results, `${target}.log`), limit: wish.fuzzSeconds + 120 })
}

// The tour as a newcomer makes it, then a restart of what it left running.
async function quickstart() {
  const dir = mkdtempSync(join(tmpdir(), 'waslo-tour-'))
  const place = join(dir, 'tour')
  const tour = ['--bin', join(dev, 'bin'), '--dir', place]
  const script = name => join(root, 'scripts', name)
  try {
    await check('scripts/quickstart --once', script('quickstart'), ['--once', ...tour], { limit: 300 })
    await check('scripts/quickstart', script('quickstart'), tour, { limit: 300 })
    const api = /listening on (\S+),/.exec(readFileSync(join(place, 'bridge.log'), 'utf8'))?.[1] ?? ''
    await check('scripts/restart-sessions --all', script('restart-sessions'), ['--all', '--api', api, '--token-file', join(place, 'token')])
    await check('scripts/quickstart --stop', script('quickstart'), ['--stop', ...tour])
  } catch (error) {
    count('scripts', 0, 1, { words: error.message })
  } finally {
    cpSync(dir, join(results, 'tour'), { recursive: true })
    rmSync(dir, { recursive: true, force: true })
  }
}

// Tests that are a table say how many of its rows held: {name, rows, passed} in a file of their own.
const tablesThatMustBe = ['isolation matrix', 'smuggling probes', 'security headers', 'forged tokens', 'limits', 'observatory']
function showTables() {
  const found = new Set()
  for (const name of filesIn('build/test-results/tables', /\.json$/)) {
    const table = JSON.parse(readFileSync(join(root, name), 'utf8'))
    out(`table  ${table.name}: ${table.passed} of ${table.rows} rows hold`)
    found.add(table.name)
    if (table.passed !== table.rows || !(table.rows > 0)) count(`table ${table.name}`, 0, 1)
  }
  if (wish.only.length > 0) return
  for (const name of tablesThatMustBe) {
    if (!found.has(name)) count(`table ${name}`, 0, 1, { words: 'no test wrote it' })
  }
}

// ---- all of it -------------------------------------------------------------------------------------

const wanted = name => wish.only.length === 0 || wish.only.some(one => name === one || name.startsWith(one + '/'))

async function main() {
  const all = suites.map(suite => ({ ...suite, parts: suite.parts() }))
  if (wish.list) {
    for (const suite of all) for (const part of suite.parts) out(part.name)
    return 0
  }
  const unknown = wish.only.find(one => !all.some(suite => suite.name === one || suite.parts.some(part => part.name === one)))
  if (unknown !== undefined) {
    process.stderr.write(`test: --only: no suite ${unknown} (--list shows them)\n`)
    return 2
  }
  rmSync(results, { recursive: true, force: true })
  mkdirSync(tables, { recursive: true })
  const began = Date.now()
  const built = new Map()
  const alongside = []
  for (const suite of all) {
    const asked = wish.only.some(one => one.split('/')[0] === suite.name)
    if (suite.optional && !wish.asan && !asked) continue
    const parts = suite.parts.filter(part => wanted(part.name))
    if (wish.only.length > 0 && parts.length === 0) continue
    out(`\n== ${suite.name}`)
    const start = Date.now()
    if (suite.build && !(await suite.build())) {
      count(suite.name, 0, Math.max(parts.length, 1), { words: 'not run: its build failed' })
    } else if (parts.length === 0) {
      count(suite.name, 0, 1, { words: 'not run: it has no parts' })
    } else if (suite.alongside) {
      alongside.push(oneByOne(parts).then(() => built.set(suite.name, seconds(start))))
      continue
    } else {
      await (suite.order ?? oneByOne)(parts)
    }
    built.set(suite.name, seconds(start))
  }
  await Promise.all(alongside)
  showTables()
  out(`\n${[...built].map(([name, took]) => `${name} ${took} s`).join(', ')}; ${seconds(began)} s in all on ${cpus().length} processors`)
  if (failures.length > 0) out(`failed: ${failures.join(', ')}`)
  out(`${tally.passed} passed, ${tally.failed} failed`)
  return tally.failed === 0 && tally.passed > 0 ? 0 : 1
}

process.exit(await main())
