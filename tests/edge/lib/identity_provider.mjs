// A small OpenID provider, so that sign-in is judged by somebody else's keys and tokens (jose).
//
// It answers as told: which account consents, what the token says instead, which addresses fail.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })

// An authority of its own and a certificate for 127.0.0.1 and localhost.
export function makeAuthority(dir, name) {
  const at = leaf => join(dir, `${name}-${leaf}`)
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', `/CN=${name} authority`, '-keyout', at('ca.key'), '-out', at('ca.pem'))
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`,
    '-keyout', at('server.key'), '-out', at('server.csr'))
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial',
    '-days', '2', '-extfile', at('names'), '-out', at('server.pem'))
  return { caFile: at('ca.pem'), cert: readFileSync(at('server.pem')), key: readFileSync(at('server.key')) }
}

const formOf = request => new Promise(resolve => {
  let text = ''
  request.on('data', part => { text += part })
  request.on('end', () => resolve(new URLSearchParams(text)))
})

export class IdentityProvider {
  constructor({ authority, clientId, clientSecret, redirectUri }) {
    Object.assign(this, { authority, clientId, clientSecret, redirectUri })
    this.keys = []
    this.codes = new Map()
    this.down = new Set() // paths that answer 500
    this.cacheControl = 'public, max-age=3600'
    this.asked = {} // path -> how often
    this.problems = [] // what a real provider would complain about
    this.instead = {} // claims of the next tokens that differ
    this.secrets = [] // codes and tokens, which no log may show
  }
  async open() {
    await this.rotate()
    this.server = https.createServer({ cert: this.authority.cert, key: this.authority.key }, (request, answer) => this.serve(request, answer))
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    this.issuer = `https://127.0.0.1:${this.server.address().port}`
    return this
  }
  close() {
    this.server.closeAllConnections?.()
    return new Promise(resolve => this.server.close(resolve))
  }
  // A new key signs from now on; the old ones stay published when `keep`.
  async rotate({ keep = false } = {}) {
    const pair = await generateKeyPair('RS256', { extractable: true })
    const kid = randomBytes(8).toString('hex')
    const jwk = { ...await exportJWK(pair.publicKey), kid, use: 'sig', alg: 'RS256' }
    this.keys = [...keep ? this.keys : [], { kid, jwk, privateKey: pair.privateKey }]
  }
  // What the person at the browser does: consents as `account`, and is sent back.
  consent(location, account) {
    const asked = new URL(location)
    const query = asked.searchParams
    const expected = { response_type: 'code', client_id: this.clientId, redirect_uri: this.redirectUri, code_challenge_method: 'S256' }
    for (const [key, value] of Object.entries(expected)) if (query.get(key) !== value) this.problems.push(`${key} is ${query.get(key)}`)
    if (asked.origin + asked.pathname !== this.issuer + '/auth') this.problems.push(`sent to ${asked}`)
    if (!query.get('scope').split(' ').includes('openid')) this.problems.push('no scope openid')
    const code = randomBytes(24).toString('base64url')
    this.secrets.push(code)
    this.codes.set(code, { account, nonce: query.get('nonce'), challenge: query.get('code_challenge') })
    const back = new URL(this.redirectUri)
    back.search = new URLSearchParams({ state: query.get('state'), code, scope: 'email openid', authuser: '0', hd: account.hd ?? '', prompt: 'none' })
    return back
  }
  async token(form) {
    const code = form.get('code')
    const given = this.codes.get(code)
    this.codes.delete(code) // once
    const verifier = form.get('code_verifier') ?? ''
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    if (form.get('client_id') !== this.clientId || form.get('client_secret') !== this.clientSecret) return [401, { error: 'invalid_client' }]
    if (!given || form.get('grant_type') !== 'authorization_code' || form.get('redirect_uri') !== this.redirectUri) return [400, { error: 'invalid_grant' }]
    if (challenge !== given.challenge) return [400, { error: 'invalid_grant' }]
    const key = this.keys.at(-1)
    const claims = {
      iss: this.issuer, aud: this.clientId, azp: this.clientId, sub: given.account.sub, email: given.account.email,
      email_verified: true, nonce: given.nonce, ...given.account.hd ? { hd: given.account.hd } : {}, ...this.instead
    }
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
      .setIssuedAt().setExpirationTime('1h').sign(key.privateKey)
    this.secrets.push(token)
    return [200, { access_token: 'unused', token_type: 'Bearer', expires_in: 3600, id_token: token }]
  }
  async serve(request, answer) {
    const path = request.url
    this.asked[path] = (this.asked[path] ?? 0) + 1
    const send = (status, body, headers = {}) => answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (this.down.has(path)) return send(500, {})
    if (path === '/.well-known/openid-configuration') {
      return send(200, {
        issuer: this.issuer, authorization_endpoint: this.issuer + '/auth', token_endpoint: this.issuer + '/token', jwks_uri: this.issuer + '/keys',
        response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'],
        code_challenge_methods_supported: ['plain', 'S256']
      }, { 'cache-control': this.cacheControl })
    }
    if (path === '/keys') return send(200, { keys: this.keys.map(key => key.jwk) }, { 'cache-control': this.cacheControl })
    if (path === '/token' && request.method === 'POST') return send(...await this.token(await formOf(request)))
    return send(404, {})
  }
}
