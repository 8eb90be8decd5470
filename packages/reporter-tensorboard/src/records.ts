import { maskedCrc32c } from './crc32c'

/**
 * A record of a TFRecord file (tensorflow/core/lib/io/record_writer.cc): its length, 8 bytes; the length's checksum, 4; the data; the data's
 * checksum, 4. Numbers are little endian, checksums masked.
 */
export function frame(data: Uint8Array): Buffer {
  const record = Buffer.alloc(HEADER + data.length + FOOTER)
  record.writeBigUInt64LE(BigInt(data.length), 0)
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8)
  record.set(data, HEADER)
  record.writeUInt32LE(maskedCrc32c(data), HEADER + data.length)
  return record
}

const HEADER = 12
const FOOTER = 4

/** The records of a file up to its end, or up to the first that is not whole: a process that was killed may leave a part of one. */
export function* recordsOf(file: Buffer): Generator<Buffer> {
  let at = 0
  while (at + HEADER + FOOTER <= file.length) {
    const length = Number(file.readBigUInt64LE(at))
    const end = at + HEADER + length
    if (file.readUInt32LE(at + 8) !== maskedCrc32c(file.subarray(at, at + 8)) || end + FOOTER > file.length) return
    const data = file.subarray(at + HEADER, end)
    if (file.readUInt32LE(end) !== maskedCrc32c(data)) return
    yield data
    at = end + FOOTER
  }
}
