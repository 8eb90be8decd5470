import { isFaithful } from '../../src/data/exact-json'
import { parseObject } from '../../src/data/json'
import { read, refusal } from './support'

describe('whole numbers beyond 2^53 keep their digits', () => {
  const id = async (written: string) => (await read('groups', `{"id":${written},"prompt":"a"}`))[0]?.id
  test.each([
    ['1610521604143693812', '1610521604143693812'],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740993', '-9007199254740993'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['1000000000000000000000', '1000000000000000000000'],
    ['9007199254740991', '9007199254740991'],
    ['17', '17'],
    ['1e3', '1000'],
    ['1.0', '1'],
    ['0.10000000000000001', '0.1'],
  ])('the id %s', async (written, expected) => {
    expect(await id(written)).toBe(expected)
  })

  test('two ids that a double takes for one stay two', async () => {
    const found = await read(
      'groups',
      '{"id":1610521604143693812,"prompt":"a"}\n{"id":1610521604143693813,"prompt":"b"}\n{"id":1610521604143693800,"prompt":"c"}',
    )
    expect(found.map((record) => record.id)).toEqual(['1610521604143693812', '1610521604143693813', '1610521604143693800'])
  })

  test('one such id twice is named as it stands in the file', async () => {
    const found = await refusal('groups', '{"id":1610521604143693813,"prompt":"a"}\n{"id":"1610521604143693813","prompt":"b"}')
    expect([found.code, found.message]).toEqual([
      'PLUMB_DATA_DUPLICATE_ID',
      expect.stringContaining('"1610521604143693813" stands on line 1'),
    ])
  })

  test.each([
    ['groups', '{"prompt":"q","answer":9007199254740993}'],
    ['qa', '{"question":"q","answer":9007199254740993}'],
    ['qa', '{"question":"q","solution":"chain","answer":9007199254740993}'],
    ['qa', '{"question":"q","completion":"chain","final_answer":9007199254740993}'],
    ['ranked', '{"question":"q","answer":9007199254740993,"candidates":[{"text":"x","rating":1}]}'],
    ['messages', '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"x"}],"answer":9007199254740993}'],
  ])('the answer in %s: %s', async (format, text) => {
    expect((await read(format, text))[0]?.answer).toBe('9007199254740993')
  })

  test.each([
    ['3.14159265358979323846', '3.14159265358979323846'],
    ['1e400', '1e400'],
    ['1e-400', '1e-400'],
    ['0.5', '0.5'],
    ['-0.25', '-0.25'],
    ['72.00', '72'],
  ])('the answer %s', async (written, expected) => {
    expect((await read('qa', `{"question":"q","answer":${written}}`))[0]?.answer).toBe(expected)
  })
})

describe('numbers that count as numbers are held or refused', () => {
  const reward = (written: string) => `{"prompt":"q","candidates":[{"text":"x","reward":${written}}]}`
  test.each([
    '0.1',
    '-1.5e-7',
    '0.30000000000000004',
    '0.10000000000000001',
    '0.1000000000000000055511151231257827',
    '1e20',
    '0',
    '-0.0',
    '9007199254740991',
  ])('a reward of %s', async (written) => {
    expect((await read('groups', reward(written)))[0]?.candidates[0]?.reward).toBe(Number(written))
  })

  test.each(['9007199254740993', '1e400', '-1e400', '0.12345678901234567', '1e-400'])('a reward of %s is refused', async (written) => {
    const found = await refusal('groups', reward(written))
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_FIELD', ':1'])
    expect(found.message).toBe(`"candidates.0.reward" is ${written}, a number that a double does not hold; expected one that it does.`)
  })

  test.each([
    [
      '{"question":"q","candidates":[{"text":"x","rating":9007199254740993}]}',
      /"candidates\.0\.rating" is 9007199254740993, a number that a double does not hold/,
    ],
    ['{"question":"q","candidates":[{"text":"x","rating":1e999}]}', /1e999/],
    ['{"question":"q","candidates":[{"text":"x","rating":"0.5"}]}', /must be a number, but is "0\.5"/],
    [
      '{"context":[{"role":"user","content":"q"}],"completions":[{"rank":9007199254740993,"completion":[{"role":"assistant","content":"a"}]}]}',
      /rank" is 9007199254740993/,
    ],
  ])('%s', async (text, message) => {
    expect((await refusal('ranked', text)).message).toMatch(message)
  })

  test('a number like text in a string is left alone, and so are numbers that nothing reads', async () => {
    const [record] = await read('groups', '{"prompt":"is 9007199254740993 odd? 1e400","meta":{"hash":12345678901234567890,"x":[1e999]}}')
    expect(record).toEqual({ id: 'data-1', prompt: 'is 9007199254740993 odd? 1e400', candidates: [] })
  })
})

test('what is faithful: against exact arithmetic', () => {
  const exact = (written: string): boolean => {
    // The nearest double, exactly, as a whole number over a power of two.
    const value = Number(written)
    return Number.isInteger(value) && BigInt(value) === BigInt(written)
  }
  let beyond = 0
  for (let bits = 50n; bits < 70n; bits++) {
    for (const by of [-3n, -2n, -1n, 0n, 1n, 2n, 3n]) {
      const written = String(2n ** bits + by)
      // Whole numbers up to 2^53 are all held; beyond, digits are kept rather than shown as a double shows them.
      if (Number(written) <= Number.MAX_SAFE_INTEGER) expect([written, isFaithful(written)]).toEqual([written, exact(written)])
      else {
        beyond++
        expect([written, isFaithful(written)]).toEqual([written, false])
      }
    }
  }
  expect(beyond).toBeGreaterThan(100)
})

describe('a key twice in one object is refused', () => {
  test.each([
    ['{"prompt":"a","prompt":"b"}', 'prompt'],
    ['{"prompt":"a","prompt":"a"}', 'prompt'],
    ['{"prompt":"a","candidates":[{"text":"x","positive":true,"positive":false}]}', 'positive'],
    ['{"prompt":"a","meta":{"k":{"n":1,"n":2}}}', 'n'],
    ['{"prompt":"a","pr\\u006fmpt":"b"}', 'prompt'],
    ['{"prompt":"a","__proto__":1,"__proto__":2}', '__proto__'],
    ['{ "prompt" : "a" , "x" : [ { "y" : "}\\"{" , "y" : [ ] } ] }', 'y'],
    ['{"prompt":"a","":1,"":2}', ''],
  ])('%s', async (text, key) => {
    const found = await refusal('groups', `{"prompt":"first"}\n${text}`)
    expect([found.code, found.where?.slice(-2)]).toEqual(['PLUMB_DATA_JSON', ':2'])
    expect(found.message).toContain(`The key ${JSON.stringify(key)} stands twice in one object`)
  })

  test('the same key in different objects, or as a text, is none', async () => {
    const text = '{"prompt":"a \\"prompt\\": b","candidates":[{"text":"x"},{"text":"y"}],"meta":{"prompt":{"prompt":["prompt",":"]}}}'
    expect((await read('groups', text))[0]?.candidates).toHaveLength(2)
  })
})

test('nesting beyond reason is refused, at any depth without a crash', async () => {
  for (const depth of [600, 200_000]) {
    const found = await refusal('groups', `{"prompt":"a","x":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    expect([found.code, found.message]).toEqual(['PLUMB_DATA_JSON', 'Lists and objects are nested more than 512 deep.'])
  }
})

test('values read with their digits are those of JSON.parse', () => {
  const text = String.raw`{"a":[1,-2.5,1e3,true,false,null,"\u00e9\"\\",{"b":{},"c":[]}],"":" x ","__proto__":{"d":[[],[[0]]]}, "n" : 123456789012345678901 }`
  const { value, exact } = parseObject(text, 'x:1')
  expect(value).toEqual({ ...(JSON.parse(text) as object), n: '123456789012345678901', ['__proto__']: { d: [[], [[0]]] } })
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect([...exact]).toEqual(['123456789012345678901'])
})
