import { crc32c, decodeEvent, encodeEvent, frame, maskedCrc32c, recordsOf, versionEvent } from '../src'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4; the checksums there are written in the order of their bytes on the wire, which is little endian.
  test.each([
    ['32 bytes of zeros', Buffer.alloc(32), 'aa 36 91 8a'],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), '43 ab a8 62'],
    ['32 bytes that count up', Buffer.from(Array.from({ length: 32 }, (_, n) => n)), '4e 79 dd 46'],
    ['32 bytes that count down', Buffer.from(Array.from({ length: 32 }, (_, n) => 31 - n)), '5c db 3f 11'],
    [
      'an iSCSI read',
      bytes(
        '01 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 14 00 00 00 00 00 04 00 00 00 00 14 00 00 00 18 28 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00',
      ),
      '56 3a 96 d9',
    ],
  ])('of %s is that of RFC 3720', (_, data, expected) => {
    expect(crc32c(data)).toBe(bytes(expected).readUInt32LE())
  })

  it('has the check value of the catalogues', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  it('is masked as TFRecord files have it', () => {
    // 0xe3069283 rotated right by 15 bits is 0x2507c60d; plus 0xa282ead8.
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe(0xc78ab0e5)
  })
})

describe('records', () => {
  it('begin as every event file of TensorBoard does', () => {
    // A first event has 24 bytes: a double with its key (9), a text with key and length (15).
    const record = frame(versionEvent(1_700_000_000))
    expect(record.subarray(0, 12)).toEqual(bytes('18 00 00 00 00 00 00 00 a3 7f 4b 22'))
    expect(record.subarray(12, 36)).toEqual(bytes('09 00 00 00 40 fc 54 d9 41 1a 0d 62 72 61 69 6e 2e 45 76 65 6e 74 3a 32'))
    expect(record).toHaveLength(12 + 24 + 4)
  })

  it('are read back up to the first that is not whole', () => {
    const data = ['first', 'second', ''].map((text) => Buffer.from(text))
    const file = Buffer.concat(data.map(frame))
    expect([...recordsOf(file)]).toEqual(data)
    expect([...recordsOf(file.subarray(0, file.length - 1))]).toEqual(data.slice(0, 2))
    for (const at of [0, 9, 14]) {
      const damaged = Buffer.from(file)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect([...recordsOf(damaged)]).toEqual([])
    }
  })
})

describe('events', () => {
  it('are the protocol buffers of scalars, byte for byte', () => {
    const event = encodeEvent({ wallTime: 2, step: 300, scalars: { loss: 0.5 } })
    // wall_time 2.0; step 300 as a varint; summary { value { tag "loss", simple_value 0.5 } }
    expect(Buffer.from(event)).toEqual(bytes('09 00 00 00 00 00 00 00 40 10 ac 02 2a 0d 0a 0b 0a 04 6c 6f 73 73 15 00 00 00 3f'))
  })

  test.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 40 + 5])('hold step %d', (step) => {
    const event = { wallTime: 1_700_000_000.25, step, scalars: { 'score/positive': -1.5, 'ümlaut 七': 0.25 } }
    expect(decodeEvent(encodeEvent(event))).toEqual(event)
  })

  it('of other kinds are passed over', () => {
    // step 5; a field 16 with a text, a field 17 with 4 bytes
    expect(decodeEvent(bytes('10 05 82 01 02 68 69 8d 01 01 02 03 04'))).toEqual({ wallTime: 0, step: 5, scalars: {} })
    expect(decodeEvent(versionEvent(3)).scalars).toEqual({})
  })
})
