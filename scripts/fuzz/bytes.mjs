// Mutations of bytes, and files in forms that a text should not have.
import { gzipSync } from 'node:zlib'
import { edited } from './json.mjs'

const HOSTILE = [
  [0x00],
  [0xff],
  [0xfe, 0xff],
  [0xc3, 0x28],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80],
  [0xef, 0xbb, 0xbf],
  [0x1b, 0x5b],
  [0x0d],
  [0x0a],
].map((b) => Buffer.from(b))

export function mutateBytes(bytes, r) {
  const at = r.below(bytes.length + 1)
  const until = Math.min(bytes.length, at + r.size(64))
  const [before, rest] = [bytes.subarray(0, at), bytes.subarray(until)]
  switch (r.below(6)) {
    case 0:
      return Buffer.concat([before, rest])
    case 1:
      return Buffer.concat([before, r.among(HOSTILE), bytes.subarray(at)])
    case 2: {
      const copy = Buffer.from(bytes)
      if (copy.length > 0) copy[Math.min(at, copy.length - 1)] ^= 1 << r.below(8)
      return copy
    }
    case 3:
      return Buffer.from(before)
    case 4:
      return Buffer.concat([before, ...r.times(r.size(40), () => bytes.subarray(at, until)), rest])
    default:
      return Buffer.concat([before, Buffer.from(r.times(r.size(16), () => r.below(256))), rest])
  }
}

/** A text as a file: nearly always UTF-8 as it is, else in one of the shapes that files from elsewhere have. */
export function asFile(text, r) {
  if (r.chance(0.85)) return Buffer.from(text)
  switch (r.below(9)) {
    case 0:
      return Buffer.from(`\ufeff${text}`)
    case 1:
      return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])
    case 2:
      return Buffer.concat([
        Buffer.from([0xfe, 0xff]),
        Buffer.from(text, 'utf16le')
          .subarray(0, text.length * 2)
          .swap16(),
      ])
    case 3:
      return r.chance(0.5) ? gzipSync(text) : gzipSync(text).subarray(0, 20 + r.below(30))
    case 4:
      return Buffer.from(text, 'latin1')
    case 5:
      return Buffer.from(text.replaceAll('\n', r.among(['\r\n', '\r', '\n\n', ' \n\t'])))
    case 6:
      return Buffer.from(
        `[${text
          .trim()
          .split('\n')
          .join(r.among([',', ',\n']))}]`,
      )
    case 7:
      return Buffer.from(edited(text, r))
    default:
      return mutateBytes(Buffer.from(text), r)
  }
}
