import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

// A table whose rows are counted in the summary of scripts/test. row() adds one; done() asserts them all.
export class Table {
  constructor(name) {
    this.name = name
    this.rows = 0
    this.broken = []
  }
  row(held, what) {
    this.rows++
    if (!held) this.broken.push(what)
    return held
  }
  done() {
    if (process.env.WAB_TABLES_DIR) {
      const counts = { name: this.name, rows: this.rows, passed: this.rows - this.broken.length }
      writeFileSync(join(process.env.WAB_TABLES_DIR, `${this.name}.json`), JSON.stringify(counts) + '\n')
    }
    assert.deepEqual(this.broken, [], `${this.name}: ${this.broken.length} of ${this.rows} rows did not hold`)
  }
}
