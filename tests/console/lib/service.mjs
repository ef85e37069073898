// The real bridge over TLS with a certificate of its own, and the sandbox behind it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bridge, request } from '../../e2e/lib/programs.mjs'
import { Table } from '../../e2e/lib/table.mjs'

export function certificate(dir) {
  const key = join(dir, 'tls.key')
  const pem = join(dir, 'tls.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', pem], { stdio: 'ignore' })
  return { key, pem, ca: readFileSync(pem, 'utf8') }
}

export class TlsBridge extends Bridge {
  constructor(dir, sandbox, extra = {}) {
    const own = certificate(dir)
    super(dir, sandbox, { extra: { ...extra, http: { listen: '127.0.0.1:0', tls_certificate: own.pem, tls_key: own.key, ...extra.http } } })
    this.ca = own.ca
  }
  call(method, path, body, token = this.token, headers = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body)
    return request(this.base + path, {
      method, body: text, ca: this.ca,
      headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }
    })
  }
}

export { Table }
