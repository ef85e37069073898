// Opens a data directory's keyring with the root key, as storage/README.md describes them: so that a test
// knows the bytes that must not be found.
import { createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const mask = (1n << 64n) - 1n
const rotate = (x, n) => ((x >> BigInt(n)) | (x << BigInt(64 - n))) & mask
const iv = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n]
const sigma = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0]]

// RFC 7693, keyed.
export function blake2b(key, data, size) {
  const h = [...iv]
  h[0] ^= 0x01010000n ^ (BigInt(key.length) << 8n) ^ BigInt(size)
  const padded = Buffer.alloc(128)
  key.copy(padded)
  const all = Buffer.concat([padded, data])
  for (let at = 0; at < all.length; at += 128) {
    const last = at + 128 >= all.length
    const block = Buffer.alloc(128)
    all.copy(block, 0, at, Math.min(at + 128, all.length))
    const m = Array.from({ length: 16 }, (_, i) => block.readBigUInt64LE(i * 8))
    const v = [...h, ...iv]
    v[12] ^= BigInt(last ? all.length : at + 128)
    if (last) v[14] ^= mask
    const mix = (a, b, c, d, x, y) => {
      v[a] = (v[a] + v[b] + x) & mask; v[d] = rotate(v[d] ^ v[a], 32)
      v[c] = (v[c] + v[d]) & mask; v[b] = rotate(v[b] ^ v[c], 24)
      v[a] = (v[a] + v[b] + y) & mask; v[d] = rotate(v[d] ^ v[a], 16)
      v[c] = (v[c] + v[d]) & mask; v[b] = rotate(v[b] ^ v[c], 63)
    }
    for (let round = 0; round < 12; round++) {
      const s = sigma[round % 10]
      mix(0, 4, 8, 12, m[s[0]], m[s[1]]); mix(1, 5, 9, 13, m[s[2]], m[s[3]])
      mix(2, 6, 10, 14, m[s[4]], m[s[5]]); mix(3, 7, 11, 15, m[s[6]], m[s[7]])
      mix(0, 5, 10, 15, m[s[8]], m[s[9]]); mix(1, 6, 11, 12, m[s[10]], m[s[11]])
      mix(2, 7, 8, 13, m[s[12]], m[s[13]]); mix(3, 4, 9, 14, m[s[14]], m[s[15]])
    }
    for (let i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8]
  }
  const out = Buffer.alloc(64)
  h.forEach((word, i) => out.writeBigUInt64LE(word, i * 8))
  return out.subarray(0, size)
}

function hchacha20(key, nonce) {
  const x = new Uint32Array(16)
  x.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
  for (let i = 0; i < 8; i++) x[4 + i] = key.readUInt32LE(i * 4)
  for (let i = 0; i < 4; i++) x[12 + i] = nonce.readUInt32LE(i * 4)
  const turn = (value, n) => (value << n) | (value >>> (32 - n))
  const quarter = (a, b, c, d) => {
    x[a] += x[b]; x[d] = turn(x[d] ^ x[a], 16); x[c] += x[d]; x[b] = turn(x[b] ^ x[c], 12)
    x[a] += x[b]; x[d] = turn(x[d] ^ x[a], 8); x[c] += x[d]; x[b] = turn(x[b] ^ x[c], 7)
  }
  for (let i = 0; i < 10; i++) {
    quarter(0, 4, 8, 12); quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15)
    quarter(0, 5, 10, 15); quarter(1, 6, 11, 12); quarter(2, 7, 8, 13); quarter(3, 4, 9, 14)
  }
  const out = Buffer.alloc(32)
  ;[0, 1, 2, 3, 12, 13, 14, 15].forEach((word, i) => out.writeUInt32LE(x[word], i * 4))
  return out
}

function sized(field) {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(field.length)
  return Buffer.concat([size, field])
}
function openEnvelope(key, { deployment, org = Buffer.alloc(16), column, name }, envelope) {
  const header = envelope.subarray(0, 16), nonce = envelope.subarray(16, 40)
  const record = blake2b(key, Buffer.concat([Buffer.from('rec1'), nonce]), 64)
  if (!record.subarray(32).equals(envelope.subarray(40, 72))) throw new Error('another key')
  const aad = Buffer.concat([Buffer.from('wab1'), ...[deployment, org, Buffer.alloc(16), Buffer.from([column]), name, header].map(sized)])
  const sealed = envelope.subarray(72, envelope.length - 16)
  const cipher = createDecipheriv('chacha20-poly1305', hchacha20(record.subarray(0, 32), nonce.subarray(0, 16)),
    Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]), { authTagLength: 16 })
  cipher.setAuthTag(envelope.subarray(envelope.length - 16))
  cipher.setAAD(aad, { plaintextLength: sealed.length })
  const padded = Buffer.concat([cipher.update(sealed), cipher.final()])
  return padded.subarray(4, 4 + padded.readUInt32BE(0))
}

// The keys that the running service keeps in its memory.
export function keysOf(data, root) {
  const file = readFileSync(join(data, 'keyring'))
  const header = file.subarray(0, 57), deployment = header.subarray(33, 49)
  const body = openEnvelope(root, { deployment, column: 0xf0, name: header }, file.subarray(57))
  const keys = { 'id key': body.subarray(0, 32) }
  for (let i = 0, at = 38; i < body.readUInt16BE(36); i++, at += 44) {
    keys[`key-encryption key ${body.readUInt32BE(at)}`] = body.subarray(at + 12, at + 44)
  }
  return keys
}
