// The example files of bridge/examples behind the real nginx and Caddy, on free ports.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import assert from 'node:assert/strict'
import { eventually, Program, request } from '../../e2e/lib/programs.mjs'
import { Authority } from './edge.mjs'

const examples = join(dirname(fileURLToPath(import.meta.url)), '../../../bridge/examples')

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

// Every replacement must find its line: the example that is tested is the example that is shipped.
function adapted(file, replacements) {
  let text = readFileSync(join(examples, file), 'utf8')
  for (const [from, to] of replacements) {
    assert.ok(text.includes(from), `${file} has no "${from}"`)
    text = text.replaceAll(from, to)
  }
  return text
}

class Proxy {
  constructor(dir, port, authority, program) {
    Object.assign(this, { dir, port, program, base: `https://localhost:${port}` })
    this.ca = readFileSync(authority.certificate, 'utf8')
    this.secure = { ca: this.ca, servername: 'localhost' }
  }
  async up() {
    await eventually(`${this.program.name} answers`, () => request(this.base + '/openapi.json', { ca: this.ca }).then(() => true, () => false), 20000)
    return this
  }
  stop() {
    return this.program.stop()
  }
}

export async function startNginx(parent, backend) {
  const dir = join(parent, 'nginx')
  mkdirSync(dir, { recursive: true })
  const port = await freePort()
  const authority = new Authority(dir, 'nginx')
  const { certificate, key } = authority.issue('localhost')
  const site = adapted('nginx.conf', [
    ['server 127.0.0.1:8080;', `server 127.0.0.1:${backend};`],
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['server_name bridge.example.org;', 'server_name localhost;'],
    ['/etc/letsencrypt/live/bridge.example.org/fullchain.pem', certificate],
    ['/etc/letsencrypt/live/bridge.example.org/privkey.pem', key]
  ])
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${dir}/${name};`).join(' ')
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  ${places}
  log_format told escape=json '{"request":"$request","status":$status,"upstream":"$upstream_addr"}';
  access_log ${dir}/access.log told;
  ${site}
}
`)
  const path = existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : 'nginx'
  const program = new Program('nginx', path, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')])
  return new Proxy(dir, port, authority, program).up()
}

export async function startCaddy(parent, backend) {
  const dir = join(parent, 'caddy')
  mkdirSync(dir, { recursive: true })
  const port = await freePort()
  const authority = new Authority(dir, 'caddy')
  const { certificate, key } = authority.issue('localhost')
  // Instead of ACME, which needs a name in the public DNS.
  const site = adapted('Caddyfile', [
    ['bridge.example.org {', `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certificate} ${key}`],
    ['reverse_proxy 127.0.0.1:8080', `reverse_proxy 127.0.0.1:${backend}`]
  ])
  writeFileSync(join(dir, 'Caddyfile'), `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`)
  const program = new Program('caddy', 'caddy', ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile'], {
    env: { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir }
  })
  return new Proxy(dir, port, authority, program).up()
}
