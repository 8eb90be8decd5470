/** @jest-environment ./packages/backend-onnx/test/support/onnx-environment.cjs */
import { parameterGroups, partsOf } from '../../src/device/groups'
import { joined, separated } from '../../src/device/joining'
import { DeviceSession } from '../../src/device/session'
import { emit } from '../../src/graph/emit'
import { Graph } from '../../src/graph/graph'
import type { HostTensor } from '../../src/runtime/session'

describe('parameterGroups', () => {
  const tensors = new Map<string, readonly number[]>([
    ['a', [3, 4]],
    ['b', [4]],
    ['c', [2, 6]],
    ['d', [5, 4]],
    ['e', [4]],
    ['f', [1, 4]],
    ['g', [2, 6]],
  ])

  it('are of one width each', () => {
    expect(parameterGroups(tensors)).toEqual([
      { names: ['a', 'd', 'f'], rows: [3, 5, 1], dims: [9, 4] },
      { names: ['b', 'e'], rows: [4, 4], dims: [8] },
      { names: ['c', 'g'], rows: [2, 2], dims: [4, 6] },
    ])
  })

  it('hold no more than asked, but for a tensor that alone is more', () => {
    expect(parameterGroups(tensors, 16).map(({ names }) => names.join(''))).toEqual(['a', 'be', 'c', 'd', 'f', 'g'])
    expect(parameterGroups(tensors, 24).map(({ names }) => names.join(''))).toEqual(['a', 'be', 'cg', 'df'])
  })

  it('have their numbers tensor by tensor', () => {
    const group = { names: ['c', 'g'], rows: [2, 1], dims: [3, 2] }
    expect(partsOf(group, Float32Array.of(1, 2, 3, 4, 5, 6))).toEqual([
      ['c', Float32Array.of(1, 2, 3, 4)],
      ['g', Float32Array.of(5, 6)],
    ])
  })
})

describe('tensors that are joined and separated', () => {
  beforeAll(() => (DeviceSession.provider = 'cpu'))
  afterAll(() => (DeviceSession.provider = 'webgpu'))

  it.each([1, 2, 7, 8, 49, 50, 120])('are what they were: %i', async (count) => {
    const graph = new Graph('webgpu')
    const names = Array.from({ length: count }, (_, i) => `x_${i}`)
    const rows = names.map((_, i) => 1 + (i % 3))
    const together = joined(
      graph,
      names.map((name) => graph.input(name)),
    )
    const apart = separated(graph, graph.node('Neg', [together]), rows)
    expect(apart).toHaveLength(count)
    for (const { source } of apart) {
      if (source.kind !== 'node') throw new Error('nothing was computed')
      expect(source.node.outputs.length).toBeLessThanOrEqual(7)
    }
    const emitted = emit({ together, ...Object.fromEntries(apart.map((value, i) => [`y_${i}`, value])) })
    const session = await DeviceSession.create(emitted, [])
    const feeds = Object.fromEntries(
      names.map((name, i): [string, HostTensor] => [
        name,
        { data: Float32Array.from({ length: 2 * rows[i]! }, (_, j) => 100 * i + j), dims: [rows[i]!, 2] },
      ]),
    )
    const { host } = await session.run(feeds)
    await session.release()
    expect(host['together']!.dims).toEqual([rows.reduce((sum, n) => sum + n, 0), 2])
    for (const [i, name] of names.entries()) {
      expect(host[`y_${i}`]!.dims).toEqual(feeds[name]!.dims)
      expect([...host[`y_${i}`]!.data]).toEqual([...feeds[name]!.data].map((x) => -x))
    }
  })
})
