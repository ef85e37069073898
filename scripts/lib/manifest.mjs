// What the documents claim against what the repository holds. See scripts/check-manifest --help.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const rooms = ['.ci', 'bridge', 'cmake', 'docs', 'scripts', 'session', 'storage', 'tests', 'webhook']

// OWASP ASVS 5.0.0: how many requirements each section has, and each level. No row can be left out.
const sections = {
  V1: [2, 10, 12, 3, 3], V2: [3, 3, 5, 2], V3: [1, 3, 5, 8, 8, 1, 5], V4: [5, 5, 2, 4], V5: [1, 6, 3, 3],
  V6: [3, 12, 8, 6, 8, 4, 2, 4], V7: [3, 4, 2, 5, 3, 2], V8: [4, 4, 3, 2], V9: [3, 4], V10: [2, 3, 5, 16, 5, 2, 3],
  V11: [4, 5, 5, 4, 2, 2, 2], V12: [5, 2, 5], V13: [4, 6, 4, 7], V14: [2, 8, 3], V15: [5, 5, 7, 4], V16: [1, 5, 4, 3, 4], V17: [2, 8, 2]
}
const levels = { 1: 70, 2: 183, 3: 92 }
export const chapters = {
  V1: 'Encoding and sanitization', V2: 'Validation and business logic', V3: 'Web frontend', V4: 'API and web service', V5: 'File handling',
  V6: 'Authentication', V7: 'Session management', V8: 'Authorization', V9: 'Self-contained tokens', V10: 'OAuth and OIDC', V11: 'Cryptography',
  V12: 'Secure communication', V13: 'Configuration', V14: 'Data protection', V15: 'Secure coding and architecture',
  V16: 'Logging and error handling', V17: 'WebRTC'
}

function filesBelow(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return ['node_modules', 'dist', 'artifacts'].includes(entry.name) ? [] : [path, ...filesBelow(root, path)]
    return entry.isFile() || entry.isSymbolicLink() ? [path] : []
  })
}

// Comments out, so that a test that was switched off does not count.
const withoutComments = text => text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')

// Every file and every test of a checkout.
export function inventory(root) {
  const files = new Set([...rooms.filter(name => existsSync(join(root, name))).flatMap(name => [name, ...filesBelow(root, name)]),
    ...readdirSync(root, { withFileTypes: true }).filter(entry => entry.isFile()).map(entry => entry.name)])
  const cases = new Set()
  const named = new Map() // file of node tests -> patterns of the names in it
  for (const path of files) {
    if (!path.startsWith('tests/')) continue
    if (path.endsWith('.cc')) {
      const text = withoutComments(readFileSync(join(root, path), 'utf8'))
      for (const [, suite, name] of text.matchAll(/^(?:TEST|TEST_F|TEST_P|TYPED_TEST|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\(\s*(\w+),\s*(\w+)/gm)) {
        if (!suite.startsWith('DISABLED_') && !name.startsWith('DISABLED_')) cases.add(`${suite}.${name}`)
      }
      // Tests whose body is a coroutine of the dispatcher's bench.
      for (const [, name] of text.matchAll(/^DISPATCHER(?:_CLOCK)?_TEST\(\s*(\w+)/gm)) cases.add(`Dispatcher.${name}`)
    } else if (path.endsWith('.test.mjs')) {
      const text = withoutComments(readFileSync(join(root, path), 'utf8'))
      const names = [...text.matchAll(/\b(?:test|it)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g)]
        .map(([, one, two, three]) => (one ?? two ?? three).replace(/\\(.)/g, '$1'))
      // `${…}` in a name stands for anything.
      named.set(path, names.map(name => new RegExp(`^${name.split(/\$\{[^}]*\}/).map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`)))
    }
  }
  return { root, files, cases, named }
}

const isCase = text => /^[A-Z]\w*\.[A-Z]\w*$/.test(text)

// Why a name of a test names none, or nothing.
export function testProblem(known, name) {
  if (isCase(name)) return known.cases.has(name) ? undefined : `there is no test ${name}`
  const parts = /^(tests\/\S+\.test\.mjs): (.+)$/.exec(name)
  if (!parts) return `"${name}" is neither Suite.Case nor tests/….test.mjs: name`
  const names = known.named.get(parts[1])
  if (!names) return `there is no ${parts[1]}`
  return names.some(one => one.test(parts[2])) ? undefined : `${parts[1]} has no test "${parts[2]}"`
}

const slug = heading => heading.toLowerCase().replace(/[`*]/g, '').replace(/[^\p{L}\p{N}\s-]/gu, '').trim().replace(/\s/g, '-')
const headings = (known, path) => readFileSync(join(known.root, path), 'utf8').split('\n').filter(line => /^#+ /.test(line)).map(line => slug(line.replace(/^#+ /, '')))

// A file, a folder, or the name without .h/.cc of a topic; "#part" behind a document is a heading.
export function pathProblem(known, given) {
  const [path, part] = given.replace(/\/$/, '').split('#')
  const exists = known.files.has(path) || ['.h', '.cc', '.proto'].some(ending => known.files.has(path + ending))
  if (!exists) return `there is no ${path}`
  if (part !== undefined && !headings(known, path).includes(part)) return `${path} has no heading #${part}`
  return undefined
}

// What a Markdown file names between backquotes, in links, and as commands in its code.
function named(text) {
  const out = []
  let fenced = false
  for (const [index, line] of text.split('\n').entries()) {
    const at = index + 1
    if (line.startsWith('```')) fenced = !fenced
    else if (fenced) {
      const command = /^(scripts\/[\w-]+)/.exec(line)
      if (command) out.push({ at, path: command[1] })
    } else {
      for (const [, span] of line.matchAll(/`([^`]+)`/g)) {
        if (isCase(span) || /^tests\/\S+\.test\.mjs: /.test(span)) out.push({ at, test: span })
        else {
          const path = span.split(/\s/)[0].replace(/[,;:]$/, '')
          if (/^[\w./#-]+$/.test(path) && path.includes('/') && rooms.includes(path.split('/')[0])) out.push({ at, path })
        }
      }
      for (const [, target] of line.matchAll(/\]\(([^)\s]+)\)/g)) if (!/^(https?:|mailto:)/.test(target)) out.push({ at, link: target })
    }
  }
  return out
}

function judgeDocument(known, path) {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  return named(readFileSync(join(known.root, path), 'utf8')).flatMap(one => {
    let why
    if (one.test) why = testProblem(known, one.test)
    else if (one.path) why = pathProblem(known, one.path)
    else {
      const target = one.link.startsWith('#') ? path + one.link : join(folder, one.link)
      why = pathProblem(known, target)
    }
    return why ? [`${path}:${one.at}: ${why}`] : []
  })
}

export function judgeManifest(known, manifest) {
  const out = []
  const seen = new Map()
  for (const one of manifest.requirements) {
    const say = why => out.push(`docs/asvs.json: ${one.id}: ${why}`)
    if (seen.has(one.id)) say('is there twice')
    seen.set(one.id, one)
    if (![1, 2, 3].includes(one.level)) say('has no level')
    if (!one.gist) say('has no gist')
    for (const path of one.where ?? []) {
      const why = pathProblem(known, path)
      if (why) say(why)
    }
    for (const name of one.tests ?? []) {
      const why = testProblem(known, name)
      if (why) say(why)
    }
    if (one.status === 'met') {
      if (!(one.tests?.length > 0)) say('is met by no test')
    } else if (['not applicable', 'gap'].includes(one.status)) {
      if (!(one.reason?.length >= 12)) say('gives no reason')
    } else say(`has the status "${one.status}"`)
  }
  for (const [chapter, counts] of Object.entries(sections)) {
    counts.forEach((count, index) => {
      for (let number = 1; number <= count; ++number) {
        const id = `${chapter}.${index + 1}.${number}`
        if (!seen.delete(id)) out.push(`docs/asvs.json: ${id}: is not answered`)
      }
    })
  }
  for (const id of seen.keys()) out.push(`docs/asvs.json: ${id}: is no requirement of the standard`)
  for (const [level, count] of Object.entries(levels)) {
    const has = manifest.requirements.filter(one => one.level === Number(level)).length
    if (has !== count) out.push(`docs/asvs.json: level ${level} has ${has} requirements, not ${count}`)
  }
  return out
}

// The same as a page to read: counts, then what is missing, then every answer.
export function page(manifest) {
  const all = manifest.requirements
  const count = (level, chapter, status) => all.filter(one => one.level === level && (!chapter || one.id.split('.')[0] === chapter) && one.status === status).length
  const cell = (level, chapter) => ['met', 'not applicable', 'gap'].map(status => count(level, chapter, status) || '·').join(' / ')
  const lines = ['# OWASP ASVS 5.0.0', '',
    '<!-- Made by scripts/check-manifest --write from docs/asvs.json. Do not edit. -->', '',
    'Each requirement of the [standard](https://github.com/OWASP/ASVS/tree/v5.0.0) (CC BY-SA 4.0) with our answer: *met*, shown by the',
    'tests that are named; *not applicable*, with the reason; or a *gap*, with the reason. `scripts/check-manifest` fails when one',
    'is left out or when a test or file named here is gone. The gists are ours; the wording that counts is the standard\'s.', '',
    '## Summary', '', 'met / not applicable / gap', '', '| chapter | level 1 | level 2 | level 3 |', '|---|---|---|---|']
  for (const [chapter, name] of Object.entries(chapters)) lines.push(`| ${chapter} ${name} | ${[1, 2, 3].map(level => cell(level, chapter)).join(' | ')} |`)
  lines.push(`| **all** | ${[1, 2, 3].map(level => cell(level)).join(' | ')} |`, '', '## Gaps', '', '| id | level | what is asked | why it is open |', '|---|---|---|---|')
  for (const one of all.filter(each => each.status === 'gap').sort((a, b) => a.level - b.level)) lines.push(`| ${one.id} | ${one.level} | ${one.gist} | ${one.reason} |`)
  for (const [chapter, name] of Object.entries(chapters)) {
    lines.push('', `## ${chapter} ${name}`, '', '| id | level | what is asked | answer |', '|---|---|---|---|')
    for (const one of all.filter(each => each.id.split('.')[0] === chapter)) {
      const proof = [...(one.where ?? []), ...(one.tests ?? [])].map(text => `\`${text}\``).join(', ')
      const words = [one.reason, proof].filter(Boolean).join(' ')
      lines.push(`| ${one.id} | ${one.level} | ${one.gist} | **${one.status}** ${words} |`)
    }
  }
  return lines.join('\n') + '\n'
}

export const readManifest = root => JSON.parse(readFileSync(join(root, 'docs/asvs.json'), 'utf8'))
export const documents = known => [...known.files].filter(path => path.endsWith('.md')).sort()

// Everything that is claimed and is not so, one line each.
export function findings(root) {
  const known = inventory(root)
  const out = documents(known).flatMap(path => judgeDocument(known, path))
  const manifest = readManifest(root)
  out.push(...judgeManifest(known, manifest))
  if (readFileSync(join(root, 'docs/asvs.md'), 'utf8') !== page(manifest)) out.push('docs/asvs.md: differs from docs/asvs.json: run scripts/check-manifest --write')
  return out
}
