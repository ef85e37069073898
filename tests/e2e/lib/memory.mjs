// The memory of another process; of an undumpable one only root may see it.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

// Every readable page.
export function image(id) {
  const memory = openSync(`/proc/${id}/mem`, 'r')
  const parts = []
  for (const line of readFileSync(`/proc/${id}/maps`, 'utf8').split('\n')) {
    const [range, rights, , , , name] = line.trim().split(/\s+/)
    if (!rights?.startsWith('r') || name === '[vvar]' || name === '[vsyscall]') continue
    const [from, to] = range.split('-')
    for (let at = BigInt(`0x${from}`); at < BigInt(`0x${to}`); at += 1n << 20n) {
      const left = BigInt(`0x${to}`) - at
      const part = Buffer.alloc(Number(left < (1n << 20n) ? left : 1n << 20n))
      try {
        parts.push(part.subarray(0, readSync(memory, part, 0, part.length, at)))
      } catch (error) {
        if (error.code !== 'EIO' && error.code !== 'EFAULT') throw error
      }
    }
  }
  closeSync(memory)
  return Buffer.concat(parts)
}
