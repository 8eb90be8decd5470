import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import type { GroupRecord } from '@plumbline/core'
import { qaTextReader } from '../src/index'

it('makes a question with its reference chain and final answer of each block', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'template-'))
  try {
    const file = join(folder, 'sums.txt')
    writeFileSync(file, '\nQ: What is 2 + 3?\r\nA: Two and three\r\nare five. #### 5\r\nQ: And 1 + 1?\nA: two\n')
    const records: GroupRecord[] = []
    for await (const record of qaTextReader().read(file)) records.push(record)
    assert.deepEqual(records, [
      {
        id: 'sums-2',
        prompt: 'What is 2 + 3?',
        answer: '5',
        candidates: [{ text: 'Two and three\nare five. #### 5', positive: true, reference: true }],
      },
      { id: 'sums-5', prompt: 'And 1 + 1?', candidates: [{ text: 'two', positive: true, reference: true }] },
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
