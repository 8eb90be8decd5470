/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { InferenceSession, Tensor } from '../src/runtime/onnxruntime'
import { emit, REFUSED_OUTPUT } from '../src/graph/emit'
import { Graph } from '../src/graph/graph'
import { isRefusal, Session } from '../src/runtime/session'

const settings = { threads: 1 }

function negated() {
  const graph = new Graph()
  return graph.node('Neg', [graph.input('x')])
}

describe('emit', () => {
  it('serialises constants, attributes, optional inputs and several outputs', async () => {
    const graph = new Graph()
    const x = graph.input('x')
    const w = graph.input('w')
    const product = graph.node('Gemm', [x, w], { attributes: { transB: 1, alpha: { float: 0.5 } } })
    const clipped = graph.node('Clip', [product, undefined, graph.scalar(10)])
    const [low, high] = graph.nodes('Split', [clipped, graph.ints(1, 1)], 2, { attributes: { axis: 0 } })
    const session = await Session.create(emit({ low: low!, high: high!, echo: x }), settings)
    const out = await session.run({
      x: { data: Float32Array.of(1, 2, 3, 4), dims: [2, 2] },
      w: { data: Float32Array.of(1, 1, 2, -1, 0, 8), dims: [3, 2] },
    })
    expect([...out.low!.data]).toEqual([1.5, 0, 8])
    expect([...out.high!.data]).toEqual([3.5, 1, 10])
    expect([...out.echo!.data]).toEqual([1, 2, 3, 4])
    await session.release()
  })

  it('computes nothing behind an available value', async () => {
    const graph = new Graph()
    const doubled = graph.node('Mul', [graph.input('x'), graph.scalar(2)])
    const y = graph.node('Add', [doubled, graph.scalar(1)])
    const emitted = emit({ y }, [doubled])
    expect(emitted.inputs).toEqual([{ name: doubled.name, dtype: 'float32' }])
    const session = await Session.create(emitted, settings)
    const out = await session.run({ [doubled.name]: { data: Float32Array.of(5), dims: [1] } })
    expect([...out.y!.data]).toEqual([6])
    await session.release()
  })

  it('copies nothing where every output has a place: the binding refuses in the words that Session expects', async () => {
    const { model } = emit({ y: negated() })
    const native = await InferenceSession.create(model)
    const y = new Tensor('float32', new Float32Array(2), [2])
    const run = native.run({ x: new Tensor('float32', Float32Array.of(1, -2), [2]) }, { [REFUSED_OUTPUT]: null, y })
    const error = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(isRefusal(error)).toBe(true)
    expect([...y.data]).toEqual([-1, 2])
    await native.release()
  })

  it('reports what went wrong inside the model, also where every output has a place', async () => {
    const graph = new Graph()
    const session = await Session.create(emit({ y: graph.node('MatMul', [graph.input('a'), graph.input('b')]) }), settings)
    const a = { data: new Float32Array(6), dims: [2, 3] }
    const run = session.run({ a, b: a }, { y: { data: new Float32Array(4), dims: [2, 2] } })
    await expect(run).rejects.toMatchObject({ message: expect.stringContaining('MatMul') })
    await session.release()
  })

  it('writes a named output in place', async () => {
    const session = await Session.create(emit({ y: negated() }), settings)
    const y = new Float32Array(2)
    await session.run({ x: { data: Float32Array.of(1, -2), dims: [2] } }, { y: { data: y, dims: [2] } })
    expect([...y]).toEqual([-1, 2])
    await session.release()
  })
})
