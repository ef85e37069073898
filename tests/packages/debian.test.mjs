// What the build packs: the systemd unit, the Debian package, the bill of materials and the licences.
import test, { after, before } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'
import formats from 'ajv-formats'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = process.env.WAB_BIN_DIR
const build = join(bin, '..')
const dir = mkdtempSync(join(tmpdir(), 'waslo-package-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const run = (command, args, options = {}) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'], ...options })
const version = /project\(waslo_bridge VERSION ([\d.]+)/.exec(readFileSync(join(root, 'CMakeLists.txt'), 'utf8'))[1]

let unpacked
let deb
before(() => {
  run('cmake', ['--build', build, '--target', 'package_files'])
  run('cpack', ['-G', 'DEB', '--config', join(build, 'CPackConfig.cmake'), '-B', dir], { cwd: dir })
  deb = join(dir, readdirSync(dir).find(name => name.endsWith('.deb')))
  unpacked = join(dir, 'root')
  run('dpkg-deb', ['-x', deb, unpacked])
  run('dpkg-deb', ['-e', deb, join(dir, 'control')])
}, { timeout: 300000 })

test('the systemd unit is hardened: exposure at most 2.0', () => {
  const unit = join(root, 'bridge/packaging/waslo-bridge.service')
  const said = run('systemd-analyze', ['security', '--offline=true', '--threshold=20', '--no-pager', unit])
  const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)[1])
  assert.ok(exposure <= 2.0, `exposure ${exposure}`)
  const text = readFileSync(unit, 'utf8')
  // What it must still be able to do.
  for (const line of ['User=waslo-bridge', 'StateDirectory=waslo-bridge', 'LimitNOFILE=65536', 'Restart=always', 'TimeoutStopSec=20']) assert.ok(text.includes(`${line}\n`), line)
  assert.match(text, /RestrictAddressFamilies=.*AF_INET AF_INET6/)
  const loose = run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit])
  assert.ok(loose.includes('✓'), 'the judge judges')
})

test('the package holds both programs, unit, configuration, completion, licences', () => {
  const listed = run('dpkg-deb', ['-c', deb]).split('\n').filter(Boolean).map(line => line.split(/\s+/)).map(parts => ({ mode: parts[0], owner: parts[1], path: parts[5] }))
  for (const path of ['usr/bin/waslo-bridge', 'usr/bin/waslo-sandbox', 'lib/systemd/system/waslo-bridge.service', 'etc/waslo-bridge/bridge.toml',
    'usr/share/bash-completion/completions/waslo-bridge', 'usr/share/zsh/vendor-completions/_waslo-bridge', 'usr/share/fish/vendor_completions.d/waslo-bridge.fish',
    'usr/share/doc/waslo-bridge/copyright', 'usr/share/doc/waslo-bridge/THIRD-PARTY-LICENCES', 'usr/share/doc/waslo-bridge/sbom.cdx.json',
    'usr/share/doc/waslo-bridge/examples/bridge.example.toml', 'usr/share/doc/waslo-bridge/examples/grafana.json']) {
    assert.ok(listed.some(one => one.path === `./${path}`), `${path} is in the package`)
    assert.ok(statSync(join(unpacked, path)).size > 0, path)
  }
  for (const { mode, owner, path } of listed) {
    assert.equal(owner, 'root/root', path)
    assert.doesNotMatch(mode, /^.{8}w|s/, `${path} is ${mode}`)
    assert.doesNotMatch(path, /\.key$|password|secret/, 'no credential is packed')
  }
  const field = name => run('dpkg-deb', ['-f', deb, name]).trim()
  assert.equal(field('Package'), 'waslo-bridge')
  assert.equal(field('Version'), version)
  assert.match(field('Depends'), /libssl3.*/)
  assert.match(field('Depends'), /ca-certificates/)
})

test('the program of the package runs, and its configuration is valid', () => {
  assert.equal(run(join(unpacked, 'usr/bin/waslo-bridge'), ['version']).trim(), `waslo-bridge ${version}`)
  assert.match(run(join(unpacked, 'usr/bin/waslo-sandbox'), ['--help']), /listen/)
  assert.match(run(join(unpacked, 'usr/bin/waslo-bridge'), ['serve', '--check', '--config', join(unpacked, 'etc/waslo-bridge/bridge.toml')]), /valid/)
  assert.ok(existsSync(join(unpacked, 'usr/share/bash-completion/completions/waslo-bridge')))
})

test('its scripts ask nothing, make the user, and bring no credentials', () => {
  const scripts = ['postinst', 'prerm', 'postrm'].map(name => [name, readFileSync(join(dir, 'control', name), 'utf8')])
  for (const [name, text] of scripts) {
    assert.equal(spawnSync('sh', ['-n', join(dir, 'control', name)]).status, 0, name)
    assert.match(text, /^#!\/bin\/sh\n/)
    assert.match(text, /^set -e$/m)
    assert.doesNotMatch(text, /\bread\b|debconf|passwd -|chpasswd|key new --out [^,]*$|rm -rf/m, name)
    assert.ok(statSync(join(dir, 'control', name)).mode & 0o100, `${name} can be run`)
  }
  assert.match(scripts[0][1], /useradd --system/)
  assert.match(scripts[0][1], /nologin/)
  assert.equal(readFileSync(join(dir, 'control/conffiles'), 'utf8'), '/etc/waslo-bridge/bridge.toml\n')
  const config = readFileSync(join(unpacked, 'etc/waslo-bridge/bridge.toml'), 'utf8')
  assert.doesNotMatch(config, /[0-9a-f]{32}|password|token/i)
})

test('the scripts run in a root of their own', () => {
  // Stand-ins for what touches the real system: they write down how they were called.
  const stand = join(dir, 'stand')
  run('mkdir', ['-p', stand])
  const calls = join(dir, 'calls')
  for (const name of ['useradd', 'chown', 'chmod', 'install', 'systemctl', 'getent']) {
    run('sh', ['-c', `printf '#!/bin/sh\\necho ${name} "$@" >> ${calls}\\n${name === 'getent' ? 'exit 2' : 'exit 0'}\\n' > ${stand}/${name}; chmod 755 ${stand}/${name}`])
  }
  const env = { ...process.env, PATH: `${stand}:${process.env.PATH}` }
  const said = run('sh', [join(dir, 'control/postinst'), 'configure', ''], { env })
  assert.match(said, /key new/)
  const told = readFileSync(calls, 'utf8')
  assert.match(told, /^useradd --system .* waslo-bridge$/m)
  assert.match(told, /^install -d -o waslo-bridge -g waslo-bridge -m 0700 \/var\/lib\/waslo-bridge$/m)
  assert.doesNotMatch(told, /systemctl (enable|start)/, 'nothing is started before there is a key')
  run('sh', [join(dir, 'control/postrm'), 'remove'], { env })
  run('sh', [join(dir, 'control/prerm'), 'remove'], { env })
})

const sbom = () => JSON.parse(readFileSync(join(build, 'packed/sbom.cdx.json'), 'utf8'))

test('the bill of materials holds against the CycloneDX 1.5 schema', () => {
  const schemas = join(dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json')), 'res/schema')
  const schema = name => JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8'))
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true })
  formats(ajv)
  ajv.addFormat('iri-reference', /^[^\s<>"{}|\\^`]*$/).addFormat('idn-email', /^[^\s@]+@[^\s@]+$/)
  ajv.addSchema(schema('spdx'), 'http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json')
  ajv.addSchema(schema('jsf-0.82'), 'http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json')
  const judge = ajv.compile(schema('bom-1.5'))
  assert.ok(judge(sbom()), JSON.stringify(judge.errors?.slice(0, 5)))
  assert.ok(!judge({ ...sbom(), bomFormat: 'Other' }), 'the judge judges')
  assert.ok(!judge({ ...sbom(), components: [{ type: 'library' }] }), 'the judge judges components')
})

test('it names what is really linked, with the versions that are installed', () => {
  const { components, metadata, dependencies } = sbom()
  assert.equal(metadata.component.version, version)
  assert.equal(metadata.component.hashes[0].content, createHash('sha256').update(readFileSync(join(bin, 'waslo-bridge'))).digest('hex'))
  const names = components.map(one => one.name)
  assert.equal(new Set(names).size, names.length, 'each once')
  assert.deepEqual(dependencies[0].dependsOn.sort(), components.map(one => one['bom-ref']).sort())
  for (const name of ['libssl3', 'libsodium23', 'libc6', 'libprotobuf-lite32', 'libqrencode4', 'libpng16-16', 'zlib1g']) {
    assert.ok(components.some(one => one.name === name && one.properties[0].value === 'loaded'), `${name} is loaded`)
  }
  for (const name of ['librocksdb-dev', 'nlohmann-json3-dev', 'libcli11-dev', 'libexpected-dev', 'libboost1.81-dev']) {
    assert.ok(components.some(one => one.name === name && one.properties[0].value === 'compiled in'), `${name} is compiled in`)
  }
  assert.ok(!names.some(name => /gtest|gmock|libc6-dev/.test(name)), 'nothing of the tests')
  for (const { name, version: told } of components) assert.equal(run('dpkg-query', ['-W', '-f=${Version}\n', name]).split('\n')[0], told, name)
  // Every library that the loader would load belongs to one of them.
  const loaded = run('ldd', [join(bin, 'waslo-bridge')]).split('\n').map(line => / => (\/\S+)/.exec(line)?.[1]).filter(Boolean)
  assert.ok(loaded.length > 10)
  for (const path of loaded) {
    const owner = [path, run('readlink', ['-f', path]).trim()].flatMap(one => [one, one.replace(/^\/usr/, ''), `/usr${one}`])
      .map(one => spawnSync('dpkg-query', ['-S', one], { encoding: 'utf8' }).stdout.split(':')[0]).find(Boolean)
    assert.ok(names.includes(owner), `${path} of ${owner}`)
  }
})

test('the licences of all of them are there in full', () => {
  const text = readFileSync(join(build, 'packed/THIRD-PARTY-LICENCES'), 'utf8')
  for (const { name, version: told, licenses } of sbom().components) {
    assert.ok(text.includes(`\n${name} ${told} (`), name)
    assert.ok(licenses.length > 0 && licenses.every(one => one.license.name), name)
    const own = readFileSync(`/usr/share/doc/${name}/copyright`, 'utf8')
    assert.ok(text.includes(own.slice(0, 2000)), `copyright of ${name}`)
  }
  for (const [, name] of text.matchAll(/(\/usr\/share\/common-licenses\/[A-Za-z0-9.-]*[A-Za-z0-9])/g)) {
    if (existsSync(name)) assert.ok(text.includes(`\n${name}\n====`), `${name} is there too`)
  }
})
