// Mutations that know JSON's grammar: of the value, and of what only a text can say (duplicate keys, numbers beyond double, depth).

const RAW = Symbol('raw')
const ENTRIES = Symbol('entries')
/** A piece of JSON text in the place of a value. */
const raw = (text) => ({ [RAW]: text })
/** An object whose keys may repeat. */
const withEntries = (entries) => ({ [ENTRIES]: entries })

/** JSON text; iterative depth is written by Raw, so that nothing here overflows. */
export function write(value) {
  if (value?.[RAW] !== undefined) return value[RAW]
  if (value?.[ENTRIES]) return `{${value[ENTRIES].map(([key, item]) => `${JSON.stringify(key)}: ${write(item)}`).join(', ')}}`
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`
  if (value !== null && typeof value === 'object') return write(withEntries(Object.entries(value)))
  return JSON.stringify(value) ?? 'null'
}

const DEEP = [10, 100, 1000, 5000, 20000]
const PLAIN = [
  ...[null, true, false, 0, -0, 1, -1, 0.5, 1e-7, 1e21, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, '', ' ', '0', 'null', '[object Object]', '-'],
  ...[
    [],
    {},
    [[]],
    [null],
    { a: 1 },
    [{}],
    '__proto__',
    'constructor',
    '../../etc/passwd',
    '\u0000',
    '\ufeff',
    '\ud800',
    '\udc00x',
    '\u2028',
  ],
  ...[
    '\u202e',
    '\u001b[31mred\u001b[0m',
    'é',
    'e\u0301',
    '\u200b',
    '𝟙',
    '١٢',
    'ﬁ',
    '\r\n',
    '\n\n',
    '#### ',
    '{{ x }}',
    '${env:HOME}',
    '$&',
    '%s',
  ],
]
const SPECIAL = [
  ...[
    '1e999',
    '-1e999',
    '9007199254740993',
    '123456789012345678901234567890',
    '1E400',
    '-0',
    '0.1e-400',
    '1.0',
    '01',
    '+1',
    '.5',
    '1.',
    'NaN',
    'Infinity',
  ],
  ...[
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"\\x41"',
    "'a'",
    '"a',
    'undefined',
    '//',
    '/**/1',
    '[1,]',
    '{"a":1,}',
    '{"__proto__": {"a": 1}}',
  ],
]

export function anyValue(r) {
  switch (r.below(9)) {
    case 0:
      return raw(r.among(SPECIAL))
    case 1: {
      const depth = r.among(DEEP)
      return raw(r.chance(0.5) ? '['.repeat(depth) + ']'.repeat(depth) : '{"a":'.repeat(depth) + '1' + '}'.repeat(depth))
    }
    case 2:
      return 'x'.repeat(r.size(20000))
    case 3:
      return Array.from({ length: r.size(300) }, () => r.among(PLAIN))
    case 4:
      return (r.next() - 0.5) * 10 ** r.below(25)
    default:
      return copyOf(r.among(PLAIN))
  }
}

/** A deep copy that keeps pieces of text and repeated keys. */
function copyOf(value) {
  if (value === null || typeof value !== 'object' || value[RAW] !== undefined || value[ENTRIES]) return value
  return Array.isArray(value) ? value.map(copyOf) : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyOf(item)]))
}

/** Every place in a value: who holds it, under which key. */
function places(value, found = []) {
  if (value === null || typeof value !== 'object' || value[RAW] !== undefined) return found
  for (const key of Object.keys(value)) {
    found.push([value, key])
    if (found.length < 3000) places(value[key], found)
  }
  return found
}

const misspelt = (key, r) =>
  r.among([
    key.slice(1),
    `${key}s`,
    key.toUpperCase(),
    key.slice(0, -1),
    ` ${key}`,
    key.replace(/(.)(.)/, '$2$1'),
    '__proto__',
    '',
    'id',
    'toString',
  ])

/** A copy of the value, changed in one place. `others` are values to take pieces from. */
export function mutate(value, r, others) {
  const copy = copyOf(value)
  const all = places(copy)
  if (all.length === 0) return anyValue(r)
  const [holder, key] = r.among(all)
  const isArray = Array.isArray(holder)
  switch (r.below(10)) {
    case 0:
      if (isArray) holder.splice(Number(key), 1)
      else Reflect.deleteProperty(holder, key)
      break
    case 1: {
      if (isArray) return mutate(copy, r, others)
      const item = holder[key]
      Reflect.deleteProperty(holder, key)
      holder[misspelt(key, r)] = item
      break
    }
    case 2: {
      const [from, at] = r.among(places(copyOf(r.among(others))) ?? all) ?? [holder, key]
      holder[key] = from[at]
      break
    }
    case 3: {
      const [from, at] = r.among(all)
      holder[key] = copyOf(from[at])
      break
    }
    case 4:
      holder[key] = r.chance(0.5) ? [holder[key]] : { [r.among(['text', 'content', 'value', '0'])]: holder[key] }
      break
    case 5:
      if (isArray) holder.push(...Array.from({ length: r.size(50) }, () => holder[key]))
      else holder[`${key}2`] = holder[key]
      break
    case 6:
      if (typeof holder[key] === 'string') holder[key] = edited(holder[key], r)
      else if (typeof holder[key] === 'number')
        holder[key] = r.among([-holder[key], holder[key] + 0.5, holder[key] * 1e9, String(holder[key]), holder[key] - 1, 0])
      else holder[key] = anyValue(r)
      break
    case 7: {
      // the same key twice: which one counts?
      if (isArray || holder === copy) return duplicateKey(copy, r)
      break
    }
    default:
      holder[key] = anyValue(r)
  }
  return copy
}

function duplicateKey(value, r) {
  if (Array.isArray(value)) return value
  const entries = Object.entries(value)
  const [key, item] = r.among(entries)
  return withEntries([...entries, [key, r.chance(0.5) ? item : anyValue(r)]])
}

const BITS = [
  '\u0000',
  '\ud83d',
  '\ufeff',
  '\n',
  '\r',
  '"',
  '\\',
  '</s>',
  '<s>',
  '<|im_end|>',
  '####',
  '  ',
  '\t',
  '\u00a0',
  '{prompt}',
  '😀',
  '\u2028',
  '£',
  '-',
]

export function edited(text, r) {
  const at = r.below(text.length + 1)
  switch (r.below(5)) {
    case 0:
      return text.slice(0, at)
    case 1:
      return text.slice(0, at) + r.among(BITS) + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + r.size(8))
    case 3:
      return text.slice(0, at) + text.slice(Math.max(0, at - 5), at).repeat(r.size(400)) + text.slice(at)
    default:
      return text + r.among(BITS) + text
  }
}
