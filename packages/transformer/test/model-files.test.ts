import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { ModelSource } from '@plumbline/core/base'
import { sourceFiles } from '../src'

async function folderWith(names: readonly string[], contents: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-files-'))
  for (const name of names) await writeFile(join(folder, name), contents[name] ?? '')
  return folder
}

const namesOf = async (source: ModelSource) => (await sourceFiles(source)).map((file) => basename(file)).sort()

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja', 'config.json']
const BESIDE = ['README.md', 'optimizer.pt', 'pytorch_model.bin', 'notes.txt']

it('are the config, the tokenizer and the weights of a folder, and nothing beside', async () => {
  const folder = await folderWith([...TOKENIZER, ...BESIDE, 'model.safetensors', 'generation_config.json'])
  expect(await namesOf({ kind: 'folder', path: folder })).toEqual([...TOKENIZER, 'model.safetensors', 'generation_config.json'].sort())
})

it('are the shards of an index', async () => {
  const index = JSON.stringify({ weight_map: { a: 'one.safetensors', b: 'two.safetensors', c: 'one.safetensors', d: '../out', e: 3 } })
  const names = ['config.json', 'model.safetensors.index.json', 'one.safetensors', 'two.safetensors', 'three.safetensors']
  const folder = await folderWith(names, { 'model.safetensors.index.json': index })
  expect(await namesOf({ kind: 'folder', path: folder })).toEqual(['config.json', 'model.safetensors.index.json', 'one.safetensors', 'two.safetensors']) // prettier-ignore
  await writeFile(join(folder, 'model.safetensors.index.json'), '{')
  expect(await namesOf({ kind: 'folder', path: folder })).toEqual(['config.json', 'model.safetensors.index.json'])
})

it('are the tokenizer’s of a model from scratch: with what lies beside a tokenizer.json, without that of another name', async () => {
  const folder = await folderWith([...TOKENIZER, ...BESIDE, 'model.safetensors', 'my-tokenizer.json'])
  const scratch = (tokenizer: string): ModelSource => ({ kind: 'scratch', architecture: {}, tokenizer, seed: 0 })
  expect(await namesOf(scratch(folder))).toEqual([...TOKENIZER].sort())
  expect(await namesOf(scratch(join(folder, 'tokenizer.json')))).toEqual([...TOKENIZER].sort())
  expect(await namesOf(scratch(join(folder, 'my-tokenizer.json')))).toEqual(['my-tokenizer.json'])
})
