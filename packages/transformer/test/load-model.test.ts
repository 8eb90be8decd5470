import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelSource } from '@plumbline/core'
import { loadModel, readModelFolder, sourceFiles, wordLevelTokenizerConfig, wordLevelTokenizerJson, writeModelFolder } from '../src'
import { inFreshFolder } from './support/folders'
import { TINY_CONFIG, tinyModel } from './support/tiny-model'

const ARCHITECTURE = Object.fromEntries(Object.entries(TINY_CONFIG).filter(([key]) => key !== 'vocab_size'))

/** Runs `use` with a from-scratch source over a word-level tokenizer of 4 + 5 tokens. */
const fromScratch = <T>(
  use: (source: Extract<ModelSource, { kind: 'scratch' }>, parent: string) => Promise<T>,
  architecture: Record<string, unknown> = ARCHITECTURE,
) =>
  inFreshFolder(async (parent) => {
    const tokenizer = join(parent, 'tokenizer')
    await mkdir(tokenizer)
    await writeFile(join(tokenizer, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(['a', 'b', 'c', 'd', 'e'])))
    await writeFile(join(tokenizer, 'tokenizer_config.json'), JSON.stringify(wordLevelTokenizerConfig()))
    return use({ kind: 'scratch', architecture, tokenizer, seed: 3 }, parent)
  })

describe('loadModel from scratch', () => {
  it('takes vocabulary and special tokens from the tokenizer, and saves as a folder that loads alike', async () => {
    await fromScratch(async (source, parent) => {
      const model = await loadModel(source)
      expect(model.config).toMatchObject({ vocabSize: 9, bosId: 1, eosIds: [2], padId: 0 })
      expect(model.eosIds).toEqual([2])
      const path = join(parent, 'saved')
      await writeModelFolder(path, model)
      const again = await loadModel({ kind: 'folder', path })
      expect(again.config).toEqual(model.config)
      expect([...again.weights]).toEqual([...model.weights])
      expect(again.tokenizer.fingerprint).toBe(model.tokenizer.fingerprint)
      expect(again.configJson.architectures).toEqual(['LlamaForCausalLM'])
    })
  })

  it('gives other weights for another seed', async () => {
    await fromScratch(async (source) => {
      const [a, b] = await Promise.all([loadModel(source), loadModel({ ...source, seed: 4 })])
      expect(a.weights.get('lm_head.weight')).not.toEqual(b.weights.get('lm_head.weight'))
    })
  })

  it('saves a tokenizer file of another name as tokenizer.json', async () => {
    await fromScratch(async (source, parent) => {
      const tokenizer = join(parent, 'words.json')
      await writeFile(tokenizer, JSON.stringify(wordLevelTokenizerJson(['a'])))
      expect([...(await loadModel({ ...source, tokenizer })).files.keys()]).toEqual(['tokenizer.json'])
    })
  })

  it('saves the tokenizer that it read, whatever lies beside it', async () => {
    await fromScratch(async (source, parent) => {
      // Beside another tokenizer, under a name that ends like its.
      const tokenizer = join(source.tokenizer, 'my-tokenizer.json')
      await writeFile(tokenizer, JSON.stringify(wordLevelTokenizerJson(['other', 'words'])))
      const model = await loadModel({ ...source, tokenizer })
      expect([...model.files.keys()]).toEqual(['tokenizer.json'])
      const path = join(parent, 'saved')
      await writeModelFolder(path, model)
      const again = await loadModel({ kind: 'folder', path })
      expect(again.tokenizer.fingerprint).toBe(model.tokenizer.fingerprint)
      expect(again.tokenizer.encode('other')).toEqual([4])
      // Given as the folder or as its file it is the one that lies there, with its companions.
      for (const given of [source.tokenizer, join(source.tokenizer, 'tokenizer.json')]) {
        const { files, tokenizer: named } = await loadModel({ ...source, tokenizer: given })
        expect([...files.keys()].sort()).toEqual(['tokenizer.json', 'tokenizer_config.json'])
        expect(named.encode('other')).toEqual([3])
      }
      // The name alone counts, in a folder of whatever name.
      const odd = join(parent, 'xtokenizer.json')
      await mkdir(odd)
      await writeFile(join(odd, 'tokenizer.json'), JSON.stringify(wordLevelTokenizerJson(['x'])))
      expect([...(await loadModel({ ...source, tokenizer: odd })).files.keys()]).toEqual(['tokenizer.json'])
    })
  })

  it('refuses a tokenizer that is a pipe, and ids that no vocabulary has, in no time', async () => {
    await fromScratch(async (source, parent) => {
      const pipe = join(parent, 'tokenizer.pipe')
      expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
      await expect(loadModel({ ...source, tokenizer: pipe })).rejects.toMatchObject({ code: 'PLUMB_NOT_A_FILE', where: pipe })
      const json = wordLevelTokenizerJson(['a']) as {
        added_tokens: { id: number; content: string }[]
        model: { vocab: Record<string, number> }
      }
      const tokenizer = join(parent, 'words.json')
      const refused = async (message: string) => {
        await writeFile(tokenizer, JSON.stringify(json))
        await expect(loadModel({ ...source, tokenizer })).rejects.toMatchObject({
          code: 'PLUMB_TOKENIZER_INVALID',
          message,
          where: tokenizer,
        })
      }
      const [first] = json.added_tokens
      first!.id = 1e9
      await refused('Token "<pad>" has the id 1000000000; expected a whole number below 16777216.')
      first!.id = -1
      await refused('Token "<pad>" has the id -1; expected a whole number below 16777216.')
      first!.id = 0
      json.model.vocab.a = 1e9
      await refused('Token "a" has the id 1000000000; expected a whole number below 16777216.')
    })
  })

  it('refuses an architecture that no machine holds before it makes anything of it', async () => {
    for (const [fields, code] of [
      [{ num_hidden_layers: 1e9 }, 'PLUMB_MODEL_CONFIG'],
      [{ num_hidden_layers: 10_000, hidden_size: 8192, intermediate_size: 8192 }, 'PLUMB_MODEL_TOO_LARGE'],
      [{ vocab_size: 2 ** 31 - 1, hidden_size: 4096 }, 'PLUMB_MODEL_TOO_LARGE'],
      [{ head_dim: 2 ** 30 }, 'PLUMB_MODEL_CONFIG'],
      [{ head_dim: 2 ** 16, hidden_size: 2 ** 20 }, 'PLUMB_MODEL_TOO_LARGE'],
      [{ max_position_embeddings: 2 ** 31 }, 'PLUMB_MODEL_CONFIG'],
    ] as const) {
      await fromScratch((source) => expect(loadModel(source)).rejects.toMatchObject({ code, where: 'model.architecture' }), {
        ...ARCHITECTURE,
        ...fields,
      })
    }
  })

  it('refuses a vocabulary smaller than the tokenizer', async () => {
    await fromScratch(
      (source) => expect(loadModel(source)).rejects.toMatchObject({ code: 'PLUMB_MODEL_VOCABULARY', where: 'model.architecture' }),
      { ...ARCHITECTURE, vocab_size: 8 },
    )
  })

  it('refuses a field that no Llama config has', async () => {
    await fromScratch(
      (source) =>
        expect(loadModel(source)).rejects.toMatchObject({
          code: 'PLUMB_MODEL_CONFIG',
          message: '"num_key_value_head" is not a field of a llama config.json. Did you mean "num_key_value_heads"?',
        }),
      { ...ARCHITECTURE, num_key_value_head: 2 },
    )
  })
})

describe('loadModel from a folder', () => {
  it('collects the end-of-text tokens of config, generation config and tokenizer', async () => {
    await inFreshFolder(async (parent) => {
      const path = join(parent, 'model')
      const files = {
        'tokenizer.json': wordLevelTokenizerJson(['a']),
        'tokenizer_config.json': wordLevelTokenizerConfig(),
        'generation_config.json': { eos_token_id: [2, 7] },
      }
      const bytes = Object.entries(files).map(([name, json]) => [name, Buffer.from(JSON.stringify(json))] as const)
      await writeModelFolder(path, { ...tinyModel({ eos_token_id: 3 }), files: new Map(bytes) })
      expect((await loadModel({ kind: 'folder', path })).eosIds).toEqual([2, 3, 7])
      expect((await readModelFolder(path)).files.size).toBe(3)
    })
  })
})

describe('the files that a model is read from', () => {
  it('are those of the tokenizer, the config and the weights, and no others', async () => {
    await fromScratch(async (source, parent) => {
      const folder = join(parent, 'saved')
      await writeModelFolder(folder, await loadModel(source))
      for (const stray of ['README.md', 'optimizer.pt', 'model.bin']) await writeFile(join(folder, stray), 'x')
      const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
      expect(await sourceFiles({ kind: 'folder', path: folder })).toEqual(names.map((name) => join(folder, name)))
      const own = ['tokenizer.json', 'tokenizer_config.json'].map((name) => join(source.tokenizer, name))
      expect(await sourceFiles(source)).toEqual(own)
      const lone = join(source.tokenizer, 'my-tokenizer.json')
      await writeFile(lone, JSON.stringify(wordLevelTokenizerJson(['x'])))
      expect(await sourceFiles({ ...source, tokenizer: lone })).toEqual([lone])
    })
  })
})
