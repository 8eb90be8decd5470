/** Answers are short: of a longer text no more than this is read. */
export const LONGEST_ANSWER = 2_000

/** What encloses a fraction that was written as one sign or command (`½`, `\frac12`), as `1/2` in between. */
export const OPEN = '\uE000'
export const CLOSE = '\uE001'
/** A currency sign or code. */
export const MONEY = '\uE002'

const VULGAR: Readonly<Record<string, string>> = {
  ...{ '½': '1/2', '⅓': '1/3', '⅔': '2/3', '¼': '1/4', '¾': '3/4', '⅕': '1/5', '⅖': '2/5', '⅗': '3/5', '⅘': '4/5', '⅙': '1/6' },
  ...{ '⅚': '5/6', '⅐': '1/7', '⅛': '1/8', '⅜': '3/8', '⅝': '5/8', '⅞': '7/8', '⅑': '1/9', '⅒': '1/10' },
}
const SUPERSCRIPT: Readonly<Record<string, string>> = {
  ...{ '⁰': '0', '¹': '1', '²': '2', '³': '3', '⁴': '4', '⁵': '5', '⁶': '6', '⁷': '7', '⁸': '8', '⁹': '9', '⁻': '-', '⁺': '+' },
}
const SIGNS: Readonly<Record<string, string>> = {
  ...{
    times: '×',
    cdot: '×',
    ast: '*',
    div: '÷',
    pm: '±',
    mp: '±',
    approx: '≈',
    sim: '≈',
    simeq: '≈',
    neq: '≠',
    ne: '≠',
    le: '≤',
    leq: '≤',
  },
  ...{ leqslant: '≤', ge: '≥', geq: '≥', geqslant: '≥', lt: '<', gt: '>', degree: '°', pounds: '£', euro: '€', yen: '¥', cent: '¢' },
  ...{ infty: '∞', pi: 'π', to: '→', rightarrow: '→', Rightarrow: '→', implies: '→', therefore: ' so ', ldots: '...', dots: '...' },
}
const CODES =
  'USD|EUR|GBP|INR|JPY|CNY|RMB|AUD|CAD|CHF|SGD|HKD|NZD|MYR|RM|ZAR|KRW|BRL|MXN|PHP|THB|IDR|VND|SEK|NOK|DKK|PLN|CZK|TRY|RUB|AED|SAR|EGP|NGN|KES|PKR|BDT|LKR|Rs'
const CODE_BEFORE = new RegExp(String.raw`(?<![\p{L}\d])(?:${CODES})\.?\s?(?=[-+]?\.?\d)`, 'gu')
const CODE_BEHIND = new RegExp(String.raw`(?<=\d)\s?(?:${CODES})(?!\p{L})\.?`, 'gu')

/** Markdown's `~~71~~`. */
const STRUCK_OUT = /~~[^~]{1,400}~~/g
/** GSM8K's calculator annotation with its result behind it: `<<48/2=24>>24`. */
const ANNOTATION = /<<[^<>]{1,200}>>(?=\s?[-$\d])/g

/** Without LaTeX dress and Markdown emphasis; digits, minus signs, spaces and full-width signs as ASCII has them. */
export function plainText(written: string): string {
  const kept = written.slice(0, LONGEST_ANSWER).replace(STRUCK_OUT, ' ').replace(ANNOTATION, '')
  return withoutMarkdown(withoutLatex(withPlainSigns(kept))).replace(/ {2,}/g, ' ')
}

function withPlainSigns(text: string): string {
  return text
    .replace(/[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]/g, (sign) => `${OPEN}${VULGAR[sign] ?? ''}${CLOSE}`)
    .replace(
      /[⁰¹²³⁴-⁹⁻⁺]+/g,
      (signs) =>
        `^${Array.from(signs)
          .map((sign) => SUPERSCRIPT[sign] ?? '')
          .join('')}`,
    )
    .replace(/[º˚]/g, '°')
    .normalize('NFKC')
    .replace(/[\u2010-\u2013\u2212]/g, '-')
    .replace(/(?<![\p{L}\d])\u2014(?=[\d.$€£])/gu, '-')
    .replace(/[\u2014\u2015]/g, ' ; ')
    .replaceAll('\u2044', '/')
    .replace(/[\u2018\u2019\u02bc]/g, "'")
}

function withoutLatex(text: string): string {
  let plain = text
    .replace(/\\([$])/g, MONEY)
    .replace(/\\([%#&_])/g, '$1')
    .replace(/\{([,.])\}/g, '$1')
    .replace(/\\!/g, '')
    .replace(/\\(?:[,;: ]|q?quad\b)|~/g, ' ')
    .replace(/\\[()[\]]/g, ' ')
    .replace(/\\(?:left|right|displaystyle|textstyle|bigl?|bigr|Bigl?|Bigr)(?![a-zA-Z])/g, '')
    .replace(/\^\s?\{?\\circ(?![a-zA-Z])\}?/g, '°')
    .replace(/\\([a-zA-Z]+)/g, (command, name: string) => SIGNS[name] ?? command)
  for (let depth = 0; depth < 2; depth++) {
    plain = plain.replace(
      /\\(?:text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|mathit|boldsymbol|operatorname|emph|underline)\s?\{([^{}]*)\}/g,
      '$1',
    )
  }
  return plain
    .replace(/\\[cdt]?frac\s?(?:\{([^{}]*)\}|(\d))\s?(?:\{([^{}]*)\}|(\d))/g, (_, a?: string, b?: string, c?: string, d?: string) =>
      fractionOrDivision(a ?? b ?? '', c ?? d ?? ''),
    )
    .replace(/\{([^{}]*)\\over(?![a-zA-Z])([^{}]*)\}/g, (_, top: string, bottom: string) => fractionOrDivision(top, bottom))
    .replace(/\{([^{}]*)\}\s?\/\s?\{([^{}]*)\}/g, (_, top: string, bottom: string) => fractionOrDivision(top, bottom))
    .replace(/\^\s?(?:\{\s*([-+]?\d+)\s*\}|\(\s*([-+]?\d+)\s*\))/g, (_, a?: string, b?: string) => `^${a ?? b ?? ''}`)
    .replace(/(?<![\\\w^_}\])])\{([^{}]*)\}/g, '$1')
}

/** Numbers above and below the line are one fraction, beside which others may stand (`5\frac12`); anything else is a division. */
function fractionOrDivision(top: string, bottom: string): string {
  const [above, below] = [top.trim(), bottom.trim()]
  if (/^[-+]?\d[\d.]*$/.test(above) && /^[-+]?\d[\d.]*$/.test(below)) return `${OPEN}${above}/${below}${CLOSE}`
  return `(${above})/(${below})`
}

function withoutMarkdown(text: string): string {
  return text
    .replace(/<sup>\s?([-+]?\d+)\s?<\/sup>/gi, '^$1')
    .replace(/<\/?(?:b|i|u|strong|em|span|p|div|br)\s?\/?>/gi, ' ')
    .replace(/(?<![\w)*])\*\*([^*]+)\*\*(?![\w(*])/g, '$1')
    .replace(/(?<![\w)*])\*([^*\s][^*]*)\*(?![\w(*])/g, '$1')
    .replace(/(?<=[\d)])\s?\*\*\s?(?=[-+]?[\d(])/g, '^')
    .replace(/\*\*|__|`/g, '')
    .replace(/(?<!\w)_([^_]+)_(?!\w)/g, '$1')
}

/** The amount behind a currency sign, without it: `$2M` is 2 million, `-$5` is −5. A pair of `$` encloses mathematics. */
export function withoutMoney(plain: string): string {
  const signs = plain.split('$').length - 1
  return plain
    .replaceAll('$', signs % 2 === 0 ? '' : MONEY)
    .replace(/(?:\b(?:US|AU?|CA?|HK|NZ|S|NT|R)\s?)?[\uE002€£¥₹₩₽₺฿₫₱₦₪]/g, MONEY)
    .replace(CODE_BEFORE, MONEY)
    .replace(CODE_BEHIND, '')
    .replace(
      /\uE002\s?([-+]?)\s?(\d[\d.,]*)\s?(?:([kK])|(mn?|MM?)|(bn?|B)|(tn|[tT]))(?![\p{L}\d])/gu,
      (_, ...found: (string | undefined)[]) => {
        const scale = ['thousand', 'million', 'billion', 'trillion'].find((__, at) => found[at + 2] !== undefined) ?? ''
        return `${MONEY}${found[0] ?? ''}${found[1] ?? ''} ${scale}`
      },
    )
    .replace(/([-+])\s?\uE002\s?/g, '$1')
    .replace(/\uE002\s?/g, ' ')
    .replace(/ {2,}/g, ' ')
}

const TRIMMED = new Set(Array.from(' \t\r\n.,;:!?\'*()"'))

/** A text as texts are compared: without case, quotes, outer punctuation, repeated spaces, and LaTeX's optional braces and spaces. */
export function normalText(written: string): string {
  const text = withoutMoney(plainText(written))
    .toLowerCase()
    .replaceAll(OPEN, ' ')
    .replaceAll(CLOSE, ' ')
    .replace(/[“”"]/g, '')
    .replace(/[‘’]/g, "'")
    .replace(/\{\s?(\w)\s?\}/g, '$1')
    .replace(/\s+/g, ' ')
    .replace(/\s?([,:()[\]{}=<>≤≥+*/^×÷|])\s?/g, '$1')
    .replaceAll(',', ', ')
    .replace(/(\\[a-z]+) (?=[^a-z])/g, '$1')
  let [start, end] = [0, text.length]
  // The sign of a factorial or a derivative is none of punctuation: n!, f'.
  const isOuter = (at: number) =>
    TRIMMED.has(text.charAt(at)) && !(/[!']/.test(text.charAt(at)) && /(?:^|[^\p{L}])[\p{L}\d]$/u.test(text.slice(Math.max(0, at - 2), at)))
  while (start < end && isOuter(start)) start++
  while (end > start && isOuter(end - 1)) end--
  const inner = text.slice(start, end)
  // A tuple keeps the parentheses that make it one.
  return inner.includes(',') && text.charAt(start - 1) === '(' && text.charAt(end) === ')' ? `(${inner})` : inner
}
