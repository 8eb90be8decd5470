import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { readLines } from '../../src/data/lines'
import { originOf } from '../../src/data/origin'
import { readRecords } from '../../src/data/read'
import { failure, folderWith } from '../support/files'
import { dataFile, jsonLines, read, reader, refusal } from './support'

const rows = [
  { id: 'a', prompt: 'Straße ☃ 😀' },
  { id: 'b', prompt: 'two', candidates: [{ text: 'x"] },{\\' }] },
]
const records = [
  { ...rows[0], candidates: [] },
  { ...rows[1], candidates: [{ text: 'x"] },{\\' }] },
]
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')
const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()
const utf32le = (text: string): Buffer =>
  Buffer.concat(Array.from(text).map((one) => Buffer.from(Uint32Array.of(one.codePointAt(0) ?? 0).buffer)))

describe('one content in many shapes is read alike', () => {
  const lines = jsonLines(...rows)
  const crlf = lines.replaceAll('\n', '\r\n')
  const array = JSON.stringify(rows)
  const members = [lines.slice(0, 20), lines.slice(20)].map((part) => gzipSync(part))
  test.each<[string, string | Buffer]>([
    ['lines', lines],
    ['no line end at the end', lines.trimEnd()],
    ['Windows line ends', crlf],
    ['a byte order mark', `\uFEFF${lines}`],
    ['a byte order mark and blank lines before', `\uFEFF\r\n \n${lines}`],
    ['blank lines between', lines.replaceAll('\n', '\n\n \t\n')],
    ['an array on one line', array],
    ['an array over many lines', JSON.stringify(rows, null, 2)],
    ['an array with Windows line ends', JSON.stringify(rows, null, 2).replaceAll('\n', '\r\n')],
    ['an array behind a byte order mark', `\uFEFF${array}`],
    ['an array behind blank lines', `\n \r\n\t${array}\n\n`],
    ['an array behind more blanks than a chunk', `${' \n'.repeat(50_000)}${array}`],
    ['gzip', gzipSync(lines)],
    ['gzip of several members', Buffer.concat(members)],
    ['gzip padded with zeros', Buffer.concat([gzipSync(lines), Buffer.alloc(512)])],
    ['gzip of an array', gzipSync(array)],
    ['gzip of Windows lines behind a byte order mark', gzipSync(`\uFEFF${crlf}`)],
  ])('%s', async (_, content) => {
    expect(await read('groups', content)).toEqual(records)
  })
})

test('ids: line numbers of lines, places of elements; the name without .gz', async () => {
  const ids = async (content: string | Buffer, name: string) => (await read('groups', content, {}, name)).map(({ id }) => id)
  expect(await ids('\n{"prompt":"a"}\n\n{"prompt":"b"}', 'train.jsonl')).toEqual(['train-2', 'train-4'])
  expect(await ids('[\n\n{"prompt":"a"}, {"prompt":"b"}]', 'train.json')).toEqual(['train-1', 'train-2'])
  expect(await ids(gzipSync('{"prompt":"a"}'), 'train.jsonl.gz')).toEqual(['train-1'])
  expect(await ids('{"prompt":"a"}', 'v1.2.jsonl')).toEqual(['v1.2-1'])
})

test('an element of an array is named by its line and its place', async () => {
  const found = await readRecords(reader('groups'), { path: dataFile('[\n {"prompt":"a"},\n {"prompt":"b"}]') })
  expect(found.map((record) => originOf(record)?.replace(/^.*data/, 'data'))).toEqual([
    'data.jsonl:2  element 1',
    'data.jsonl:3  element 2',
  ])
  const error = await refusal('groups', '[{"prompt":"a"},\n\n{"prompt":""}]')
  expect(error.where).toMatch(/data\.jsonl:3 {2}element 2$/)
  const twice = await refusal('groups', '[{"id":1,"prompt":"a"},\n{"id":"1","prompt":"b"}]')
  expect([twice.code, twice.message]).toEqual(['PLUMB_DATA_DUPLICATE_ID', expect.stringContaining('stands on element 1 already')])
})

describe('arrays', () => {
  test('elements of any depth and size, across chunks, with brackets and quotes in strings', async () => {
    const prompt = 'a"b\\ ][}{,é😀'.repeat(20_000)
    const meta = { list: [[[]], {}, [{ a: [1, { b: ']' }] }]], text: '\\"[' }
    const found = await read(
      'groups',
      JSON.stringify([
        { prompt, meta },
        { prompt: 'b', meta },
        { prompt, meta },
      ]),
    )
    expect(found.map((record) => record.prompt === prompt)).toEqual([true, false, true])
  })

  test('the same whatever the place of a chunk’s end', async () => {
    const text = JSON.stringify([{ prompt: '\\"\\\\' }, { prompt: '}],[{' }])
    for (let blanks = 65_536 - text.length; blanks <= 65_536; blanks++) {
      const found = await read('groups', ' '.repeat(blanks) + text)
      expect(found.map(({ prompt }) => prompt)).toEqual(['\\"\\\\', '}],[{'])
    }
  })

  test.each([
    ['[]', 'PLUMB_DATA_EMPTY', /is empty/],
    ['[ \n ]', 'PLUMB_DATA_EMPTY', /is empty/],
    ['[', 'PLUMB_DATA_JSON', /does not end; the file seems to be cut off/],
    ['[{"prompt":"a"}', 'PLUMB_DATA_JSON', /does not end/],
    ['[{"prompt":"a"},', 'PLUMB_DATA_JSON', /does not end/],
    ['[{"prompt":"a', 'PLUMB_DATA_JSON', /does not end/],
    ['[{"prompt":"a"},]', 'PLUMB_DATA_JSON', /missing at a comma/],
    ['[,{"prompt":"a"}]', 'PLUMB_DATA_JSON', /missing at a comma/],
    ['[{"prompt":"a"}]x', 'PLUMB_DATA_JSON', /has ended, but the file goes on/],
    ['[{"prompt":"a"}]\n[{"prompt":"b"}]', 'PLUMB_DATA_JSON', /has ended, but the file goes on/],
    ['[{"prompt":"a"}]\n{"prompt":"b"}', 'PLUMB_DATA_JSON', /has ended, but the file goes on/],
    ['[{"prompt":"a"} {"prompt":"b"}]', 'PLUMB_DATA_JSON', /is not JSON/],
    ['[{"prompt":"a"]}]', 'PLUMB_DATA_JSON', /is not JSON|does not end|goes on/],
    ['["a"]', 'PLUMB_DATA_JSON', /Expected a JSON object, but this element is "a"/],
    ['[null]', 'PLUMB_DATA_JSON', /is null/],
    ['[[{"prompt":"a"}]]', 'PLUMB_DATA_JSON', /is a list/],
  ])('%s', async (text, code, message) => {
    const found = await refusal('groups', text)
    expect([found.code, found.message]).toEqual([code, expect.stringMatching(message)])
  })
})

describe('what is no UTF-8 JSON is refused by its name', () => {
  const json = '{"prompt":"a"}\n'
  test.each<[string, Buffer, RegExp]>([
    ['packed Parquet', gzipSync(utf8('PAR1\u0015\u0004\u0015')), /a Parquet file that is packed with gzip.*unpack it/],
    ['Arrow', utf8('ARROW1\0\0'), /an Arrow file/],
    ['an Arrow stream', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x10, 0x00]), /an Arrow file/],
    ['zip', Buffer.from('PK\u0003\u0004\u0014\0', 'latin1'), /a zip archive/],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x0f]), /zstd.*gzip/],
    ['bzip2', utf8('BZh91AY&SY'), /bzip2/],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00]), /xz/],
    ['a tar archive', Buffer.concat([utf8('data.jsonl'), Buffer.alloc(247), utf8('ustar\0'), Buffer.alloc(249)]), /a tar archive/],
    [
      'a packed tar archive',
      gzipSync(Buffer.concat([utf8('a.jsonl'), Buffer.alloc(250), utf8('ustar\0'), Buffer.alloc(249)])),
      /a tar archive/,
    ],
    ['a pickle', Buffer.from([0x80, 0x04, 0x95, 0x10]), /pickle/],
    ['SQLite', utf8('SQLite format 3\0'), /SQLite/],
    ['UTF-16 with its mark', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(json, 'utf16le')]), /UTF-16.*iconv/],
    ['UTF-16, big end first', Buffer.concat([Buffer.from([0xfe, 0xff]), utf16be(json)]), /UTF-16/],
    ['UTF-16 without a mark', Buffer.from(json, 'utf16le'), /UTF-16.*UTF-16LE/],
    ['UTF-16 without a mark, big end first', utf16be('[{"a":"Ж"}]'), /UTF-16.*UTF-16BE/],
    ['UTF-32', Buffer.concat([Buffer.from([0xff, 0xfe, 0, 0]), utf32le(json)]), /UTF-32/],
    ['UTF-32 without a mark', utf32le(json), /UTF-32.*UTF-32LE/],
    ['packed UTF-16', gzipSync(Buffer.from(json, 'utf16le')), /UTF-16/],
    ['zero bytes', Buffer.alloc(4096), /zero bytes/],
    ['an HTML page', utf8('<!DOCTYPE html>\n<html><head>'), /an HTML page.*download/],
    ['XML', utf8('<?xml version="1.0"?><rows/>'), /XML/],
    ['a pointer of Git LFS', utf8('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n'), /Git LFS.*git lfs pull/],
    ['gzip twice', gzipSync(gzipSync(json)), /gzip twice/],
  ])('%s', async (_, content, message) => {
    const found = await refusal('groups', content)
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_FORMAT', expect.stringMatching(message)])
    expect(found.where).toMatch(/data\.jsonl$/)
  })

  test.each([
    ['a CSV file', 'id,prompt,answer\n1,a,b\n', /a table: .*\.csv/],
    ['a TSV file', 'prompt\tanswer\na\tb\n', /a table: .*\.tsv/],
    ['YAML', '- prompt: a\n  answer: b\n', /YAML/],
    ['an object over many lines', '{\n  "prompt": "a"\n}\n', /over the next lines/],
    ['Python’s dictionaries', "{'prompt': 'a'}\n", /Python dictionary/],
    ['NaN', '{"prompt":"a","candidates":[{"text":"x","reward":NaN}]}\n', /NaN and Infinity are not JSON/],
    ['two objects on a line', '{"prompt":"a"}{"prompt":"b"}\n', /is not JSON/],
    ['a comment', '// rows\n{"prompt":"a"}\n', /is not JSON/],
    ['a text', 'once upon a time\n', /is not JSON/],
  ])('%s', async (_, content, message) => {
    const found = await refusal('groups', content)
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_JSON', expect.stringMatching(message)])
    expect(found.where).toMatch(/:1$/)
  })
})

describe('bytes that are not UTF-8', () => {
  const line = (bytes: readonly number[]): Buffer =>
    Buffer.concat([utf8('{"prompt":"ok"}\n{"prompt":"Pr'), Buffer.from(bytes), utf8('cis"}\n')])
  test.each<[string, readonly number[], number, string]>([
    ['Windows-1252', [0xe9], 14, '0xe9'],
    ['GBK', [0xc4, 0xe3], 14, '0xc4'],
    ['a character cut in two', [0xe2, 0x98], 14, '0xe2'],
    ['a continuation alone', [0x80], 14, '0x80'],
    ['an overlong slash', [0xc0, 0xaf], 14, '0xc0'],
    ['an overlong form of three bytes', [0xe0, 0x80, 0xaf], 14, '0xe0'],
    ['a surrogate (CESU-8)', [0xed, 0xa0, 0xbd], 14, '0xed'],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80], 14, '0xf4'],
    ['behind good characters', [0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0xff], 20, '0xff'],
  ])('%s', async (_, bytes, column, shown) => {
    const found = await refusal('groups', line(bytes))
    expect(found.code).toBe('PLUMB_DATA_ENCODING')
    expect(found.message).toContain(`Byte ${column} of this line (${shown}) is not UTF-8`)
    expect(found.where).toMatch(/:2$/)
  })

  test('in an array, and in a TSV file', async () => {
    const array = Buffer.concat([utf8('[{"prompt":"a"},\n{\n"prompt":"'), Buffer.from([0xe9]), utf8('"}]')])
    const inArray = await refusal('groups', array)
    expect([inArray.code, inArray.where?.endsWith('data.jsonl:3')]).toEqual(['PLUMB_DATA_ENCODING', true])
    const tsv = Buffer.concat([utf8('q '), Buffer.from([0xe9]), utf8('\t(A)\tchain\n')])
    expect((await refusal('aqua', tsv, {}, 'data.tsv')).code).toBe('PLUMB_DATA_ENCODING')
  })

  test('a U+FFFD that the file has is let through', async () => {
    expect((await read('groups', '{"prompt":"a\uFFFDb"}'))[0]?.prompt).toBe('a\uFFFDb')
  })

  test.each([
    ['{"prompt":"a\\ud83d"}', '"prompt" holds \\ud83d'],
    ['{"prompt":"\\ude00 b"}', '"prompt" holds \\ude00'],
    ['{"prompt":"\\ud83d\\ud83d\\ude00"}', '"prompt" holds \\ud83d'],
    ['{"prompt":"a","candidates":[{"text":"\\uD83D"}]}', '"candidates.0.text" holds \\ud83d'],
    ['{"prompt":"a","\\ud800":1}', 'A key holds \\ud800'],
    ['{"prompt":"a","n":12345678901234567890,"m":"\\ud800"}', '"m" holds \\ud800'],
  ])('half a surrogate pair: %s', async (text, message) => {
    const found = await refusal('groups', text)
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_ENCODING', ':1'])
    expect(found.message).toContain(message)
  })

  test('whole pairs, and a backslash before ud83d, are let through', async () => {
    const [record] = await read('groups', '{"prompt":"\\ud83d\\ude00 \\\\ud83d"}')
    expect(record?.prompt).toBe('😀 \\ud83d')
  })
})

describe('gzip that is broken', () => {
  const packed = gzipSync(jsonLines(...Array.from({ length: 2000 }, (_, id) => ({ id: `q${id}`, prompt: `${Math.sin(id)}` }))))
  const spoilt = Buffer.from(packed)
  spoilt[Math.floor(packed.length / 2)] = (spoilt[Math.floor(packed.length / 2)] ?? 0) ^ 0xff
  test.each<[string, Buffer, RegExp?]>([
    ['cut off', packed.subarray(0, packed.length - 5)],
    ['cut off in its header', packed.subarray(0, 6)],
    // What it unpacks to may be told before the checksum is.
    ['a byte that differs', spoilt, /^PLUMB_DATA_(DAMAGED|JSON|ENCODING|FIELD)$/],
    [
      'a checksum that differs',
      Buffer.concat([packed.subarray(0, packed.length - 8), Buffer.from([1, 2, 3, 4]), packed.subarray(packed.length - 4)]),
    ],
    ['text behind its end', Buffer.concat([packed, utf8('{"prompt":"lost"}\n')])],
  ])('%s', async (_, content, code = /^PLUMB_DATA_DAMAGED$/) => {
    const found = await refusal('groups', content, {}, 'data.jsonl.gz')
    expect(found.code).toMatch(code)
    expect(found.where).toMatch(/data\.jsonl\.gz/)
  })

  test('is read up to a limit before its damage', async () => {
    const found = await readRecords(reader('groups'), { path: dataFile(packed.subarray(0, packed.length - 5), 'd.jsonl.gz'), limit: 3 })
    expect(found.map(({ id }) => id)).toEqual(['q0', 'q1', 'q2'])
  })
})

describe('what is no file', () => {
  const refused = async (file: string) => {
    const { code, message } = await failure(() => readRecords(reader('groups'), { path: file }))
    return [code, message]
  }

  test('a folder, nothing, below a file, a link to nowhere, a name with a zero', async () => {
    const folder = folderWith({ 'sub/x': '', 'a.jsonl': '{"prompt":"a"}' })
    symlinkSync(path.join(folder, 'none'), path.join(folder, 'dangling'))
    symlinkSync(path.join(folder, 'loop'), path.join(folder, 'loop'))
    expect(await refused(path.join(folder, 'sub'))).toEqual(['PLUMB_DATA_NOT_FOUND', expect.stringContaining('a folder')])
    for (const name of ['none', 'a.jsonl/b', 'dangling', 'loop', 'a\0b']) {
      expect((await refused(path.join(folder, name)))[0]).toBe('PLUMB_DATA_NOT_FOUND')
    }
  })

  test('a link to a file is read', async () => {
    const folder = folderWith({ 'a.jsonl': '{"prompt":"a"}' })
    symlinkSync(path.join(folder, 'a.jsonl'), path.join(folder, 'b.jsonl'))
    expect(await readRecords(reader('groups'), { path: path.join(folder, 'b.jsonl') })).toHaveLength(1)
  })

  const onUnix = process.platform === 'win32' ? test.skip : test
  onUnix('a named pipe and a device are refused at once', async () => {
    const pipe = path.join(folderWith({}), 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(await refused(pipe)).toEqual(['PLUMB_DATA_NOT_FOUND', expect.stringContaining('a named pipe')])
    expect(await refused('/dev/zero')).toEqual(['PLUMB_DATA_NOT_FOUND', expect.stringContaining('a device')])
  })
})

test('a line of 40 MB takes time by its length', async () => {
  const file = dataFile(`{"prompt":"${'x'.repeat(40e6)}"}\n`)
  const started = process.cpuUsage()
  for await (const { text } of readLines(file)) expect(text.length).toBe(40e6 + 13)
  // By the square of the length it took 10 s for 50 MB.
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(5000)
})
