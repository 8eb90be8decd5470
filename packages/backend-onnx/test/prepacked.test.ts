import { elements, loadModelConfig, loadTokenizer, parameterShapes } from '@plumbline/transformer'
import { OnnxBackend, onnxOptions } from '../src'
import { Generator } from '../src/decode/generator'
import { Engine } from '../src/worker/engine'
import { TinyModel, tinyGroups } from './support/tiny'

const model = new TinyModel()
afterAll(() => model.dispose())
const source = () => ({ kind: 'folder', path: model.path }) as const
const prompts = tinyGroups.slice(0, 2).map(({ id, prompt }) => ({ id, prompt, candidates: [0, 1] }))

describe('prepackedWeights', () => {
  it.each([true, false, undefined])('%s: a backend hands it to what samples', async (prepackedWeights) => {
    expect(onnxOptions.parse({ prepackedWeights }).prepackedWeights).toBe(prepackedWeights)
    const create = jest.spyOn(Generator, 'create')
    const engine = new Engine()
    await engine.open(source(), await loadTokenizer(model.path), { device: 'cpu', threads: 1, prepackedWeights })
    await engine.generate(prompts, { seed: 1, temperature: 0, maxNewTokens: 4 })
    await engine.close()
    expect(create.mock.calls.map(([, options]) => options.storeWeights)).toEqual([prepackedWeights])
    create.mockRestore()
  })

  it('changes no greedy text of a model whose choices are clear, through the engine’s thread', async () => {
    const texts = async (prepackedWeights: boolean) => {
      const policy = await new OnnxBackend({ threads: 1, prepackedWeights }).open(source())
      const made: Record<string, readonly number[]> = {}
      for await (const { id, candidate, tokens } of policy.generate(prompts, { seed: 1, temperature: 0, maxNewTokens: 8 }))
        made[`${id}/${candidate}`] = tokens
      await policy.dispose()
      return made
    }
    const packed = await texts(true)
    expect(Object.keys(packed)).toHaveLength(4)
    expect(await texts(false)).toEqual(packed)
  })

  it('is counted: 5.6 bytes a number, in each engine', async () => {
    const sampling = async (prepackedWeights?: boolean, engines = 1) =>
      (await new OnnxBackend({ threads: engines, engines, prepackedWeights }).memory(source(), { plan: {} }))!.sampling
    const config = await loadModelConfig(source(), await loadTokenizer(model.path))
    const numbers = [...parameterShapes(config).values()].reduce((sum, shape) => sum + elements(shape), 0)
    const without = await sampling(false)
    expect((await sampling(true)) - without).toBeCloseTo(5.6 * numbers, 3)
    expect((await sampling(true, 2)) - (await sampling(false, 2))).toBeCloseTo(2 * 5.6 * numbers, 3)
    // So small a model is packed where nobody says.
    expect(await sampling()).toBe(await sampling(true))
  })

  it('is refused on a GPU, before one is looked for', async () => {
    const opened = new OnnxBackend({ device: 'webgpu', prepackedWeights: true }).open(source())
    await expect(opened).rejects.toMatchObject({ code: 'PLUMB_PREPACKING_UNSUPPORTED', where: 'backend.prepackedWeights' })
  })

  it('is refused for a model that the runtime does not take in one piece, before any of it is made', async () => {
    const large = { hidden_size: 2048, num_hidden_layers: 40, num_attention_heads: 16, num_key_value_heads: 16, intermediate_size: 8192 }
    const architecture = { model_type: 'llama', max_position_embeddings: 64, tie_word_embeddings: true, ...large }
    const huge = { kind: 'scratch', architecture, tokenizer: model.path, seed: 1 } as const
    const backend = new OnnxBackend({ threads: 1, prepackedWeights: true })
    const refused = { code: 'PLUMB_PREPACKING_UNSUPPORTED', where: 'backend.prepackedWeights' }
    await expect(backend.open(huge)).rejects.toMatchObject(refused)
    await expect(backend.memory(huge, { plan: {} })).rejects.toMatchObject(refused)
  })
})
