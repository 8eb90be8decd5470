import { encodeFrame, FrameReader, type Frame } from '../src/process/frames'

const frames: Frame[] = [
  { header: { id: 1, text: 'ä€😀' }, arrays: [Float32Array.of(1.5, -0, NaN), Int32Array.of(-1, 2 ** 31 - 1)] },
  { header: { id: 2 }, arrays: [] },
  { header: { id: 3 }, arrays: [new Uint8Array(0), Float64Array.of(Math.PI), Uint32Array.of(2 ** 32 - 1), Uint8Array.of(7)] },
]
const bytes = Buffer.concat(frames.flatMap(encodeFrame))

describe('frames', () => {
  it.each([1, 3, 4, 7, 1000])('in pieces of %i bytes are what was sent', (size) => {
    const reader = new FrameReader()
    const found: Frame[] = []
    for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)))
    expect(found).toEqual(frames)
  })

  it('do not change when the buffer that they came in is used again', () => {
    const piece = Buffer.from(bytes)
    const found = new FrameReader().push(piece)
    piece.fill(0)
    expect(found).toEqual(frames)
  })

  it.each([
    ['a greeting of another program', Buffer.from('Welcome to this shell\n')],
    ['a header that is not JSON', framed('{]')],
    ['an array of an unknown type', framed('{"arrays":[{"dtype":"bfloat16","shape":[1]}]}')],
    ['an array without a shape', framed('{"arrays":[{"dtype":"float32"}]}')],
  ])('%s is refused', (_, piece) => {
    expect(() => new FrameReader().push(piece)).toThrow(expect.objectContaining({ code: 'PLUMB_TORCH_PROTOCOL' }))
  })
})

function framed(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, Buffer.from(text)])
}
