import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { TableBackend } from '../src/index'

it('says in one sentence what is wrong with a folder that is no model of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'template-'))
  const open = () => new TableBackend().open({ kind: 'folder', path: folder })
  try {
    await assert.rejects(open(), { code: 'PLUMB_MODEL_NO_CONFIG' })
    writeFileSync(join(folder, 'config.json'), '{ "model_type": "llama" }')
    await assert.rejects(open(), { code: 'PLUMB_MODEL_UNSUPPORTED' })
    writeFileSync(join(folder, 'config.json'), '{ "model_type": "table" }')
    writeFileSync(join(folder, 'weights.bin'), 'short')
    await assert.rejects(open(), { code: 'PLUMB_MODEL_TENSOR_SHAPE' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})
