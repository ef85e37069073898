// The files of containers, as far as they can be judged without an engine: the Kubernetes objects by the schemas of
// their API and by what a restricted pod must say, the Dockerfile by its instructions, what goes into the image by
// laying it out and starting the program from there.
import test from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import yaml from 'js-yaml'
import { ConfigMap, Namespace, Service, ServiceAccount } from 'kubernetes-models/v1'
import { StatefulSet } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'

const root = fileURLToPath(new URL('../..', import.meta.url))
const objects = yaml.loadAll(readFileSync(join(root, 'bridge/packaging/kubernetes.yaml'), 'utf8'))
const kinds = { ConfigMap, Namespace, NetworkPolicy, Service, ServiceAccount, StatefulSet }
const one = kind => objects.find(object => object.kind === kind)
const pod = one('StatefulSet').spec.template.spec
const containers = [...pod.initContainers, ...pod.containers]

test('every Kubernetes object holds against the schema of its API', () => {
  assert.deepEqual(objects.map(object => object.kind).sort(), Object.keys(kinds).sort())
  for (const object of objects) {
    assert.equal(object.metadata.namespace ?? object.metadata.name, 'waslo')
    new kinds[object.kind](object).validate()
  }
  const broken = structuredClone(one('StatefulSet'))
  broken.spec.template.spec.containers[0].ports[0].containerPort = 'http'
  assert.throws(() => new StatefulSet(broken).validate(), 'the judge judges')
})

test('the pod has no right, no writable root and no token of the cluster', () => {
  assert.equal(pod.securityContext.runAsNonRoot, true)
  assert.ok(pod.securityContext.runAsUser >= 10000)
  assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault')
  assert.equal(pod.automountServiceAccountToken, false)
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) assert.ok(!pod[key])
  for (const container of containers) {
    const context = container.securityContext
    assert.equal(context.allowPrivilegeEscalation, false, container.name)
    assert.equal(context.readOnlyRootFilesystem, true, container.name)
    assert.deepEqual(context.capabilities.drop, ['ALL'], container.name)
    assert.ok(!context.privileged && !context.capabilities.add, container.name)
    assert.ok(container.resources.limits.memory && container.resources.requests.memory, container.name)
    assert.ok(!container.env, 'secrets come as files')
    for (const mount of container.volumeMounts) assert.ok(pod.volumes.some(volume => volume.name === mount.name) || mount.name === 'data', mount.name)
  }
  assert.equal(one('Namespace').metadata.labels['pod-security.kubernetes.io/enforce'], 'restricted')
})

test('probes ask for what they mean, and the key is a file of the bridge alone', () => {
  const [bridge] = pod.containers
  assert.equal(bridge.livenessProbe.httpGet.path, '/healthz')
  assert.equal(bridge.readinessProbe.httpGet.path, '/readyz')
  assert.equal(bridge.startupProbe.httpGet.path, '/readyz')
  for (const probe of [bridge.livenessProbe, bridge.readinessProbe, bridge.startupProbe]) {
    assert.equal(probe.httpGet.port, 'ops')
    assert.ok(probe.timeoutSeconds >= 4, 'longer than the bridge asks its store')
  }
  assert.ok(pod.terminationGracePeriodSeconds > 9)
  assert.equal(pod.volumes.find(volume => volume.name === 'key').emptyDir.medium, 'Memory')
  assert.ok(pod.volumes.find(volume => volume.name === 'secret').secret.secretName)
  assert.equal(one('StatefulSet').spec.replicas, 1, 'the store has one owner')
})

test('the network policy lets in the ingress and monitoring, each to its port, and out names and TLS', () => {
  const { ingress, egress, policyTypes } = one('NetworkPolicy').spec
  assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
  assert.deepEqual(ingress.map(rule => rule.ports.map(port => port.port)), [[8080], [9090]])
  for (const rule of ingress) assert.ok(rule.from.length > 0)
  const world = egress.find(rule => rule.to.some(to => to.ipBlock))
  assert.deepEqual(world.ports, [{ protocol: 'TCP', port: 443 }])
  for (const net of ['10.0.0.0/8', '169.254.0.0/16', '192.168.0.0/16']) assert.ok(world.to[0].ipBlock.except.includes(net))
  assert.deepEqual(one('Service').spec.ports.map(port => port.targetPort), ['http'], 'metrics are not served')
})

test('the configuration in the ConfigMap is valid', () => {
  const dir = mkdtempSync(join(tmpdir(), 'waslo-kubernetes-'))
  try {
    const path = join(dir, 'bridge.toml')
    execFileSync('tee', [path], { input: one('ConfigMap').data['bridge.toml'], stdio: ['pipe', 'ignore', 'inherit'] })
    execFileSync(join(process.env.WAB_BIN_DIR, 'waslo-bridge'), ['serve', '--check', '--config', path])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

const dockerfile = readFileSync(join(root, 'bridge/packaging/Dockerfile'), 'utf8').replace(/\\\n/g, ' ').split('\n').filter(line => line && !line.startsWith('#'))
const instructions = dockerfile.map(line => ({ word: line.split(' ')[0], rest: line.slice(line.indexOf(' ') + 1).trim() }))

test('the Dockerfile builds in one stage and runs in another, as nobody, without tools', () => {
  const known = ['FROM', 'SHELL', 'WORKDIR', 'COPY', 'RUN', 'USER', 'VOLUME', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD']
  for (const { word, rest } of instructions) assert.ok(known.includes(word), `${word} ${rest}`)
  const stages = instructions.filter(one => one.word === 'FROM')
  assert.equal(stages.length, 2)
  assert.ok(stages.every(stage => /^debian:12-slim( AS build)?$/.test(stage.rest)))
  const final = instructions.slice(instructions.indexOf(stages[1]))
  const user = final.findIndex(one => one.word === 'USER')
  assert.match(final[user].rest, /^10001:10001$/)
  assert.ok(!final.slice(user).some(one => one.word === 'RUN'))
  assert.ok(!final.some(one => /\b(g\+\+|cmake|curl|wget)\b/.test(one.rest)))
  for (const { word, rest } of final) if (word === 'COPY') assert.match(rest, /^--from=build /)
  for (const { rest } of instructions.filter(one => one.word === 'RUN' && /apt-get install/.test(one.rest))) {
    assert.match(rest, /--no-install-recommends/)
    assert.match(rest, /rm -rf \/var\/lib\/apt\/lists/)
  }
  for (const word of ['ENTRYPOINT', 'CMD']) assert.ok(Array.isArray(JSON.parse(final.find(one => one.word === word).rest)), word)
  for (const line of instructions) for (const [, path] of line.rest.matchAll(/(?:^|\s)((?:bridge|scripts)\/[\w./-]+)/g)) assert.ok(existsSync(join(root, path)), path)
  assert.ok(!instructions.some(one => /secret|password|token/i.test(one.rest)), 'no secret goes into the image')
})

test('the program starts from what is laid out for the image, with the libraries that lie there', () => {
  const image = mkdtempSync(join(tmpdir(), 'waslo-image-'))
  try {
    execFileSync(join(root, 'bridge/packaging/collect-image'), [join(process.env.WAB_BIN_DIR, '..'), image], { cwd: root })
    const libraries = join(image, 'usr/lib/waslo-bridge')
    const env = { LD_LIBRARY_PATH: libraries, PATH: '/nowhere' }
    const said = execFileSync(join(image, 'usr/bin/waslo-bridge'), ['version'], { env, encoding: 'utf8' })
    assert.match(said, /^waslo-bridge \d+\.\d+\.\d+$/m)
    const loaded = execFileSync('ldd', [join(image, 'usr/bin/waslo-bridge')], { env: { ...process.env, LD_LIBRARY_PATH: libraries }, encoding: 'utf8' })
    for (const line of loaded.split('\n').filter(line => line.includes('=>'))) {
      assert.match(line, /waslo-bridge\/|\/(libc|libm|ld-linux|libdl|libpthread|librt|libresolv)[.-]/, line.trim())
    }
    assert.ok(existsSync(join(image, 'usr/share/doc/waslo-bridge/copyright')))
  } finally {
    rmSync(image, { recursive: true })
  }
})
