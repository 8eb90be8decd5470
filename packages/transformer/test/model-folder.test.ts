import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  parameterCount,
  readModelConfig,
  readModelFolder,
  readSafetensors,
  writeModelFolder,
  writeSafetensors,
  type WeightTensor,
} from '../src'
import { inFreshFolder } from './support/folders'
import { STORIES, describeWith } from './support/shared'
import { tinyModel } from './support/tiny-model'

/** Writes the tiny model, lets `change` damage it, and reads it again. */
const damaged = (change: (folder: string) => Promise<void>, model = tinyModel()) =>
  inFreshFolder(async (parent) => {
    const folder = join(parent, 'model')
    await writeModelFolder(folder, model)
    await change(folder)
    return readModelFolder(folder)
  })

const rewrite = (change: (weights: Map<string, WeightTensor>) => void) => async (folder: string) => {
  const path = join(folder, 'model.safetensors')
  const weights = await readSafetensors(path)
  change(weights)
  await writeSafetensors(path, weights)
}

const zeros = (...shape: number[]): WeightTensor => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) })

describe('a model folder', () => {
  it('round-trips weights, config and companion files exactly', async () => {
    const model = tinyModel({ rope_theta: 2e4, custom_field: { kept: true } })
    const read = await damaged(async () => {}, model)
    expect(read.config).toEqual(model.config)
    expect(read.configJson).toEqual({ ...model.configJson, dtype: 'float32' })
    expect([...read.weights]).toEqual([...model.weights])
    expect(Buffer.from(read.files.get('tokenizer.json')!).toString()).toBe('{"any": "bytes"}\n')
  })

  it('says float32 in the config, because that is what the weights are', async () => {
    const { configJson } = await damaged(async () => {}, tinyModel({ torch_dtype: 'bfloat16', dtype: 'bfloat16' }))
    expect(configJson).toMatchObject({ torch_dtype: 'float32', dtype: 'float32' })
  })

  it('has no head of its own when the embeddings are tied and a stored one equals them', async () => {
    const tied = tinyModel({ tie_word_embeddings: true })
    expect(tied.weights.has('lm_head.weight')).toBe(false)
    const read = await damaged(
      rewrite((weights) => weights.set('lm_head.weight', weights.get('model.embed_tokens.weight')!)),
      tied,
    )
    expect([...read.weights.keys()]).toEqual([...tied.weights.keys()])
    expect(read).toMatchObject({ config: { tiedEmbeddings: true }, configJson: { tie_word_embeddings: true } })
    expect(parameterCount(tied.config)).toBe([...tied.weights.values()].reduce((sum, { data }) => sum + data.length, 0))
  })

  it('is untied when the config ties a head that differs in one number, and says so when it is saved', async () => {
    const change = rewrite((weights) => {
      const { shape, data } = weights.get('model.embed_tokens.weight')!
      weights.set('lm_head.weight', { shape, data: data.map((value, i) => (i === 5 ? value + 1 : value)) })
    })
    const read = await damaged(change, tinyModel({ tie_word_embeddings: true }))
    expect(read.weights.has('lm_head.weight')).toBe(true)
    expect(read).toMatchObject({ config: { tiedEmbeddings: false }, configJson: { tie_word_embeddings: false } })
    const config = await inFreshFolder(async (parent) => {
      await writeModelFolder(join(parent, 'model'), tinyModel({ tie_word_embeddings: true }))
      await change(join(parent, 'model'))
      return readModelConfig(join(parent, 'model'))
    })
    expect(config.config.tiedEmbeddings).toBe(false)
  })

  it('reads shards by their index', async () => {
    const model = tinyModel()
    const read = await damaged(async (folder) => {
      const names = [...model.weights.keys()]
      const half = names.length >> 1
      const shard = (of: string[]) => new Map(of.map((name) => [name, model.weights.get(name)!]))
      await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), shard(names.slice(0, half)))
      await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), shard(names.slice(half)))
      const weightMap = Object.fromEntries(names.map((name, i) => [name, `model-0000${i < half ? 1 : 2}-of-00002.safetensors`]))
      await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: weightMap }))
      await rm(join(folder, 'model.safetensors'))
    }, model)
    expect([...read.weights]).toEqual([...model.weights])
  })

  const reconfigure = (fields: Readonly<Record<string, unknown>>) => async (folder: string) => {
    const json = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...json, ...fields }))
  }
  const pipe = async (path: string) => {
    expect(spawnSync('mkfifo', [path]).status).toBe(0)
    return Promise.resolve()
  }
  const index = (content: string) => async (folder: string) => {
    await rm(join(folder, 'model.safetensors'))
    await writeFile(join(folder, 'model.safetensors.index.json'), content)
  }
  it.each([
    ['without config.json', (f: string) => rm(join(f, 'config.json')), 'PLUMB_MODEL_NO_CONFIG', /^The model folder has no config\.json/],
    ['with a broken config.json', (f: string) => writeFile(join(f, 'config.json'), '{'), 'PLUMB_MODEL_CONFIG', /^This is not valid JSON/],
    [
      'with a list for config.json',
      (f: string) => writeFile(join(f, 'config.json'), '[]'),
      'PLUMB_MODEL_CONFIG',
      /^This is not a JSON object/,
    ],
    ['without weights', (f: string) => rm(join(f, 'model.safetensors')), 'PLUMB_MODEL_NO_WEIGHTS', /^The model folder has no weights/],
    [
      'whose shard is missing',
      index('{"weight_map":{"x":"gone.safetensors"}}'),
      'PLUMB_MODEL_NO_WEIGHTS',
      /"gone\.safetensors" is not in the model folder/,
    ],
    [
      'whose shard lies elsewhere',
      index('{"weight_map":{"x":"../x.safetensors"}}'),
      'PLUMB_MODEL_NO_WEIGHTS',
      /"\.\.\/x\.safetensors" is not in/,
    ],
    ['whose index has no map', index('{}'), 'PLUMB_MODEL_INDEX', /^The index has no weight_map/],
    ...['', '.', '..', '/etc/passwd', 'a/b', 'a\\b', 7, null].map((shard): [string, (folder: string) => Promise<void>, string, RegExp] => [
      `whose shard is ${JSON.stringify(shard)}`,
      index(JSON.stringify({ weight_map: { x: shard } })),
      'PLUMB_MODEL_NO_WEIGHTS',
      /^The shard .+ is not in the model folder\.$/,
    ]),
    ['whose index is a list', index('{"weight_map":["x"]}'), 'PLUMB_MODEL_INDEX', /^The index has no weight_map/],
    [
      'with a tensor in two shards',
      async (folder: string) => {
        await copyFile(join(folder, 'model.safetensors'), join(folder, 'a'))
        await rename(join(folder, 'model.safetensors'), join(folder, 'b'))
        await writeFile(join(folder, 'model.safetensors.index.json'), '{"weight_map":{"x":"a","y":"b"}}')
      },
      'PLUMB_MODEL_INDEX',
      /^Tensor .+ is in this shard and in /,
    ],
    ...(['config.json', 'model.safetensors', 'tokenizer_config.json', 'generation_config.json', 'chat_template.jinja'] as const).flatMap(
      (name): [string, (folder: string) => Promise<void>, string, RegExp][] => {
        const instead = (make: (path: string) => Promise<void>) => async (folder: string) => {
          await rm(join(folder, name), { force: true })
          await make(join(folder, name))
        }
        return [
          [`with a folder for ${name}`, instead((path) => mkdir(path)), 'PLUMB_NOT_A_FILE', /^This is a folder; expected a file\.$/],
          [
            `with a link to nowhere for ${name}`,
            instead((path) => symlink('nowhere', path)),
            'PLUMB_NOT_A_FILE',
            /a link that leads nowhere/,
          ],
          [`with a link to itself for ${name}`, instead((path) => symlink(name, path)), 'PLUMB_NOT_A_FILE', /a link that leads to itself/],
          [`with a pipe for ${name}`, instead(pipe), 'PLUMB_NOT_A_FILE', /^This is a pipe/],
          [`with a device for ${name}`, instead((path) => symlink('/dev/zero', path)), 'PLUMB_NOT_A_FILE', /^This is a device/],
        ]
      },
    ),
    ...Object.entries({ num_hidden_layers: 10_000, vocab_size: 2 ** 31 - 1, head_dim: 2 ** 16, intermediate_size: 10 ** 9 }).map(
      ([key, value]): [string, (folder: string) => Promise<void>, string, RegExp] => [
        `whose config claims a ${key} of ${value}`,
        reconfigure({ [key]: value }),
        key === 'num_hidden_layers' ? 'PLUMB_MODEL_TENSOR_MISSING' : 'PLUMB_MODEL_TENSOR_SHAPE',
        /expected shape|config\.json asks for/,
      ],
    ),
    [
      'with wider heads than any',
      reconfigure({ head_dim: 2 ** 30 }),
      'PLUMB_MODEL_CONFIG',
      /^head_dim is 1073741824; expected at most 65536\.$/,
    ],
    [
      'with more layers than any',
      reconfigure({ num_hidden_layers: 1e9 }),
      'PLUMB_MODEL_CONFIG',
      /^num_hidden_layers is 1000000000; expected at most 10000\.$/,
    ],
    [
      'that lacks a tensor',
      rewrite((weights) => weights.delete('model.norm.weight')),
      'PLUMB_MODEL_TENSOR_MISSING',
      /^Tensor model\.norm\.weight is missing; expected shape \[8\]\.$/,
    ],
    [
      'with a tensor of the wrong shape',
      rewrite((weights) => weights.set('model.layers.1.self_attn.k_proj.weight', zeros(8, 4))),
      'PLUMB_MODEL_TENSOR_SHAPE',
      /^Tensor model\.layers\.1\.self_attn\.k_proj\.weight has shape \[8, 4\]; config\.json asks for \[4, 8\]\.$/,
    ],
    [
      'with a tensor that the config does not explain',
      rewrite((weights) => weights.set('model.layers.0.self_attn.q_proj.bias', zeros(8))),
      'PLUMB_MODEL_TENSOR_UNEXPECTED',
      /^Tensor model\.layers\.0\.self_attn\.q_proj\.bias is not part of the model/,
    ],
  ])('%s is refused', async (_, change, code, message) => {
    await expect(damaged(change)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      where: expect.stringContaining('model'),
    })
  })

  it('that does not exist is refused', async () => {
    await expect(readModelFolder('no/such/folder')).rejects.toMatchObject({ code: 'PLUMB_MODEL_NOT_FOUND', where: 'no/such/folder' })
  })
})

describe('writeModelFolder', () => {
  it('replaces a model folder and leaves nothing else behind', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'model')
      await writeModelFolder(folder, tinyModel({}, 1))
      // What a process killed between the two renames leaves.
      await mkdir(`${folder}.old`)
      await writeModelFolder(folder, tinyModel({}, 2))
      expect(await readdir(parent)).toEqual(['model'])
      expect([...(await readModelFolder(folder)).weights]).toEqual([...tinyModel({}, 2).weights])
    })
  })

  it('leaves the old model whole and no temporary folder when writing fails', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'model')
      await writeModelFolder(folder, tinyModel({}, 1))
      const broken = { ...tinyModel({}, 2), weights: new Map([['x', { shape: [3], data: new Float32Array(2) }]]) }
      await expect(writeModelFolder(folder, broken)).rejects.toThrow('x: 2 numbers for shape [3]')
      expect(await readdir(parent)).toEqual(['model'])
      expect([...(await readModelFolder(folder)).weights]).toEqual([...tinyModel({}, 1).weights])
    })
  })

  it('refuses weights that are not finite, before it touches what is there', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'model')
      const model = tinyModel()
      await writeModelFolder(folder, model)
      const before = await readFile(join(folder, 'model.safetensors'))
      for (const bad of [NaN, Infinity, -Infinity]) {
        const weights = new Map(model.weights)
        const { shape, data } = weights.get('model.norm.weight')!
        weights.set('model.norm.weight', { shape, data: data.map((value, i) => (i === 3 ? bad : value)) })
        await expect(writeModelFolder(folder, { ...model, weights })).rejects.toMatchObject({
          code: 'PLUMB_NON_FINITE_WEIGHTS',
          message: 'Tensor model.norm.weight holds numbers that are not finite; such a model is not saved.',
          where: folder,
        })
      }
      expect(await readFile(join(folder, 'model.safetensors'))).toEqual(before)
      expect(await readdir(parent)).toEqual(['model'])
    })
  })

  it('refuses a folder that holds something else', async () => {
    await inFreshFolder(async (parent) => {
      await mkdir(join(parent, 'photos'))
      await writeFile(join(parent, 'photos', 'cat.jpg'), '')
      await writeFile(join(parent, 'file'), '')
      for (const name of ['photos', 'file']) {
        await expect(writeModelFolder(join(parent, name), tinyModel())).rejects.toMatchObject({ code: 'PLUMB_MODEL_FOLDER_TAKEN' })
      }
      expect((await readdir(parent)).sort()).toEqual(['file', 'photos'])
    })
  })
})

describeWith(STORIES)('stories260K (skipped without the shared data)', () => {
  it('is written as it was read, byte for byte', async () => {
    await inFreshFolder(async (parent) => {
      const folder = join(parent, 'model')
      await writeModelFolder(folder, await readModelFolder(STORIES))
      for (const name of ['model.safetensors', 'tokenizer.json', 'generation_config.json']) {
        expect((await readFile(join(folder, name))).equals(await readFile(join(STORIES, name)))).toBe(true)
      }
    })
  })
})
