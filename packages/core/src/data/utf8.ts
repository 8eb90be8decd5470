import { isUtf8 } from 'node:buffer'
import { PlumbError } from '../errors'

/** Bytes as text. @throws PlumbError PLUMB_DATA_ENCODING for the first byte that is not UTF-8; `where` gets the line ends before it. */
export function decode(bytes: Buffer, where: (linesBefore: number) => string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const at = firstInvalid(bytes)
  let linesBefore = 0
  let start = 0
  for (let end = bytes.indexOf(0x0a); end >= 0 && end < at; end = bytes.indexOf(0x0a, start)) {
    linesBefore++
    start = end + 1
  }
  throw new PlumbError(
    'PLUMB_DATA_ENCODING',
    `Byte ${at - start + 1} of this line (0x${hex(bytes[at])}) is not UTF-8: the file has another encoding or is damaged.` +
      ' Convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8',
    where(linesBefore),
  )
}

const hex = (byte = 0): string => byte.toString(16).padStart(2, '0')

/** The first byte of the first sequence that Unicode's table 3-7 (well-formed UTF-8) does not have. */
function firstInvalid(bytes: Buffer): number {
  for (let at = 0; at < bytes.length;) {
    const size = sequence(bytes, at)
    if (size === 0) return at
    at += size
  }
  return bytes.length
}

function sequence(bytes: Buffer, at: number): number {
  const [lead = 0, second = 0] = bytes.subarray(at, at + 2)
  if (lead < 0x80) return 1
  const size = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0
  if (size === 0 || at + size > bytes.length) return 0
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return 0
  return bytes.subarray(at + 2, at + size).every((byte) => byte >= 0x80 && byte <= 0xbf) ? size : 0
}
