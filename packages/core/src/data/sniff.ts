import { PlumbError } from '../errors'

/** What a file starts with, by its first bytes, where that is nothing a reader can take. */
interface Kind {
  readonly magic: readonly number[] | string
  readonly name: string
  readonly advice: string
}

const UNPACK = 'unpack it first, or pack it with gzip, which is read as it is'
const CONVERT = 'write its rows as JSON, one object per line'
const TO_UTF8 = (from: string) => `convert it, for example with: iconv -f ${from} -t UTF-8`
const PYTHON =
  'from Python: datasets.load_dataset(…).to_json("data.jsonl") or pandas.read_…(…).to_json("data.jsonl", orient="records", lines=True)'

// The longer marks stand before the shorter ones that they begin with.
const KINDS: readonly Kind[] = [
  { magic: [0xff, 0xfe, 0x00, 0x00], name: 'text in UTF-32', advice: TO_UTF8('UTF-32') },
  { magic: [0x00, 0x00, 0xfe, 0xff], name: 'text in UTF-32', advice: TO_UTF8('UTF-32') },
  { magic: [0xff, 0xff, 0xff, 0xff], name: 'an Arrow file', advice: PYTHON },
  { magic: [0xff, 0xfe], name: 'text in UTF-16', advice: TO_UTF8('UTF-16') },
  { magic: [0xfe, 0xff], name: 'text in UTF-16', advice: TO_UTF8('UTF-16') },
  { magic: 'PAR1', name: 'a Parquet file that is packed with gzip', advice: 'unpack it: Parquet packs its columns itself' },
  { magic: 'ARROW1', name: 'an Arrow file', advice: PYTHON },
  { magic: 'ORC', name: 'an ORC file', advice: PYTHON },
  { magic: 'Obj\u0001', name: 'an Avro file', advice: CONVERT },
  { magic: 'SQLite format 3\0', name: 'an SQLite database', advice: CONVERT },
  { magic: [0x89, 0x48, 0x44, 0x46], name: 'an HDF5 file', advice: CONVERT },
  { magic: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], name: 'a NumPy file', advice: CONVERT },
  { magic: [0x80, 0x02], name: 'a Python pickle', advice: CONVERT },
  { magic: [0x80, 0x03], name: 'a Python pickle', advice: CONVERT },
  { magic: [0x80, 0x04], name: 'a Python pickle', advice: CONVERT },
  { magic: [0x80, 0x05], name: 'a Python pickle', advice: CONVERT },
  { magic: '%PDF', name: 'a PDF file', advice: CONVERT },
  { magic: 'PK\u0003\u0004', name: 'a zip archive (or a workbook)', advice: UNPACK },
  { magic: 'PK\u0005\u0006', name: 'an empty zip archive', advice: UNPACK },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], name: 'packed with zstd', advice: `${UNPACK} (unzstd FILE)` },
  { magic: 'BZh', name: 'packed with bzip2', advice: `${UNPACK} (bunzip2 FILE)` },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], name: 'packed with xz', advice: `${UNPACK} (unxz FILE)` },
  { magic: [0x04, 0x22, 0x4d, 0x18], name: 'packed with lz4', advice: UNPACK },
  { magic: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], name: 'a 7z archive', advice: UNPACK },
  { magic: 'Rar!', name: 'a rar archive', advice: UNPACK },
]

/** What a text file starts with that is certainly no data; without regard to case. */
const TEXTS: readonly (readonly [RegExp, string, string])[] = [
  [/^\s*<(!doctype\s+html|html|head)\b/i, 'an HTML page', 'a download went wrong, or wants a login'],
  [/^\s*<(\?xml|!doctype|[a-z][\w:-]*[\s/>])/i, 'XML', CONVERT],
  [/^version https:\/\/git-lfs\.github\.com\/spec\//, 'a pointer of Git LFS, not the file itself', 'get it with: git lfs pull'],
]

export const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b

/**
 * Refuses a file by its beginning (at least 512 bytes, where it has as many).
 * @throws PlumbError PLUMB_DATA_FORMAT naming what it is and how to convert it.
 */
export function refuseForeign(head: Buffer, shown: string): void {
  const found = binaryKind(head) ?? textKind(head)
  if (found === undefined) return
  const [name, advice] = found
  throw new PlumbError(
    'PLUMB_DATA_FORMAT',
    `This file is ${name}; expected text in UTF-8 with one JSON object per line, or a JSON array: ${advice}.`,
    shown,
  )
}

function binaryKind(head: Buffer): [name: string, advice: string] | undefined {
  const kind = KINDS.find(({ magic }) => {
    const bytes = Buffer.from(typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic)
    return head.subarray(0, bytes.length).equals(bytes)
  })
  if (kind !== undefined) return [kind.name, kind.advice]
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return ['a tar archive', UNPACK]
  const beginning = head.subarray(0, 512)
  if (!beginning.includes(0)) return undefined
  // JSON starts with two ASCII characters, so that the zeros between them tell the encoding (RFC 4627, section 3).
  const zeros = [...beginning.subarray(0, 4)].map((byte) => (byte === 0 ? '0' : 'x')).join('')
  if (zeros === 'x000' || zeros === '000x') return ['text in UTF-32', TO_UTF8(zeros === 'x000' ? 'UTF-32LE' : 'UTF-32BE')]
  if (zeros === 'x0x0' || zeros === '0x0x') return ['text in UTF-16', TO_UTF8(zeros === 'x0x0' ? 'UTF-16LE' : 'UTF-16BE')]
  return ['no text: it holds zero bytes', CONVERT]
}

function textKind(head: Buffer): [name: string, advice: string] | undefined {
  const text = head.subarray(0, 512).toString('latin1')
  const kind = TEXTS.find(([pattern]) => pattern.test(text))
  return kind === undefined ? undefined : [kind[1], kind[2]]
}

/** What a first line that is not JSON looks like, for the end of an error message; empty where nothing fits. */
export function looksLike(line: string): string {
  if (/\b(NaN|Infinity)\b/.test(line) && /^\s*[{[]/.test(line)) return ' NaN and Infinity are not JSON; leave such fields out.'
  if (/^\s*\{\s*$/.test(line) || /^\s*\{\s*"[^"]*"\s*:.*,\s*$/.test(line)) {
    return ' The object seems to go on over the next lines: write each on one line, or all of them as a JSON array.'
  }
  if (/^\s*\{\s*'/.test(line)) return " It looks like a Python dictionary: write it with Python's json.dumps."
  if (/^(---|- |\w+:\s)/.test(line)) return ' It looks like YAML.'
  const separator = [',', '\t', ';'].find((mark) => /^["\w][^{}[\]]*$/.test(line) && line.split(mark).length > 1)
  if (separator !== undefined) {
    return ` It looks like a table: with a header and a name that ends in ${separator === '\t' ? '.tsv' : '.csv'} it is read as one.`
  }
  return ''
}
