// Shell completion: every command and option of the help is offered, and the shells can read it.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const program = join(process.env.WAB_BIN_DIR, 'waslo-bridge')
const run = args => execFileSync(program, args, { encoding: 'utf8' })

// The tree of commands as the help itself shows it.
function commands(path = []) {
  const help = run([...path, '--help'])
  const listed = /Subcommands:\n((?: {2}.+\n)+)/.exec(help)?.[1] ?? ''
  const names = [...listed.matchAll(/^ {2}(\S+)/gm)].map(match => match[1])
  const options = [...help.matchAll(/(--[a-z][\w-]*)/g)].map(match => match[1])
  return [{ path, names, options: [...new Set(options)] }, ...names.flatMap(name => commands([...path, name]))]
}
const tree = commands()

test('the help shows a tree', () => {
  assert.ok(tree.length >= 15, `${tree.length} commands`)
  for (const word of ['serve', 'doctor', 'completion', 'version', 'session', 'key', 'token']) assert.ok(tree[0].names.includes(word), word)
})

test('bash reads it and offers every command and option where it belongs', () => {
  const script = run(['completion', 'bash'])
  assert.equal(spawnSync('bash', ['-n'], { input: script }).status, 0)
  // Asks the function as bash would: the line so far, the word that is being written.
  const offered = words => execFileSync('bash', ['-c', `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _waslo_bridge; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', 'waslo-bridge', ...words], { encoding: 'utf8' }).split('\n').filter(Boolean)
  for (const { path, names, options } of tree) {
    const found = offered([...path, ''])
    for (const name of names) assert.ok(found.includes(name), `${[...path, name].join(' ')} is offered`)
    for (const option of options) assert.ok(found.includes(option), `${path.join(' ')} ${option} is offered`)
  }
  assert.deepEqual(offered(['doc']), ['doctor'])
  assert.ok(offered(['serve', '--config', '/etc/host']).includes('/etc/hosts'), 'files after --config')
})

for (const shell of ['zsh', 'fish']) {
  test(`${shell} gets every command and option too`, () => {
    const script = run(['completion', shell])
    for (const { path, names, options } of tree) {
      for (const name of names) assert.match(script, new RegExp(`[ ']${name}[: ]`), `${shell}: ${[...path, name].join(' ')}`)
      for (const option of options) {
        assert.ok(script.includes(shell === 'zsh' ? `'${option}:` : ` -l ${option.slice(2)} `), `${shell}: ${option}`)
      }
    }
    assert.ok(shell === 'zsh' ? script.startsWith('#compdef waslo-bridge\n') : script.includes('complete -c waslo-bridge -f\n'))
    // Quotes are even: no description ends its own.
    for (const line of script.split('\n')) assert.equal((line.match(/'/g) ?? []).length % 2, 0, line)
  })
}

test('another shell is refused with a word of help', () => {
  const done = spawnSync(program, ['completion', 'tcsh'], { encoding: 'utf8' })
  assert.equal(done.status, 2)
  assert.match(done.stderr, /bash, zsh or fish/)
})
