import { plainText } from './plain'

/** What an answer says where a letter of a multiple choice is expected. */
export type LetterReading =
  | { readonly kind: 'letter'; readonly letter: string; readonly before: string; readonly behind: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unclear' }

interface Mention {
  readonly letter: string
  readonly start: number
  readonly end: number
  /** Written as an option is: `(B)`, `B)`, `B.`, `option B`. */
  readonly isMarked: boolean
}

const REASON = /[\s,;(]+(?:because|since|as|given that|due to|where|considering|whereas|while)\s/i
// An A may be the article, an I the speaker: only what ends it, or a reason that follows, makes it a letter.
const BARE = String.raw`[B-HJ-Z](?![\w'’]|-\w|\+\+)|A(?=\s?[).:,;*/&+]|\s*$|\s+[^a-z\s]|\s+(?:because|since|as|which|is|for|and|or|not|but|so|nor)\b)|I(?=[).:]|\s*$)`
const MENTION = new RegExp(
  [
    String.raw`(?<![\w/^)])\((?<enclosed>[A-Za-z])\)|\[(?<bracketed>[A-Z])\]`,
    String.raw`|(?<![\p{L}\d'’-])(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+\(?(?<named>[A-Z]|[b-z]|a(?=\W*$|[).,:]))(?![\p{L}\d])\)?`,
    String.raw`|(?<![\p{L}\d'’\-\\.])(?<![\p{L}\d]\()(?:(?<bare>${BARE})|(?<lower>[a-z])(?=\)|\.?\s*$))`,
  ].join(''),
  'gu',
)
const NEGATED_BEFORE =
  /\b(?:not|no|isn't|never|hardly|rarely|seldom|(?:anything|everything|nothing|all) but|than|instead of|except(?: for)?|nor|neither|unlike|without|excluding|eliminat\w+|rul\w+ out|reject\w*)\s+(?:be\s+)?(?:(?:the|option|choice|answer)\s+)*$/i
const NEGATED_BEHIND =
  /^\s*\)?\s*[(:]\s?(?:wrong|incorrect|false|not)\b|^\s*\)?\s*(?:(?:,|and|or|nor)\s+\(?[A-Z]\)?\s+)*(?:(?:is|are|was|were)\s+(?:\w+\s+){0,2}?(?:wrong|incorrect|false|out|not|excluded|eliminated|impossible|ruled)\b)/i
// In small letters: `(D) Cannot be determined` is an option's text.
const FAILING_BEHIND = /^\s*\)?\s*(?:isn't|aren't|cannot|can't|doesn't|does not|fails)\b/
const ASIDE_BEFORE =
  /\b(?:see|like|from|unlike|as in|in|per|by|to|with|cf\.?|compare|both|equation|statement|point|case|part|step|figure|vitamin|type|plan|group)\s+$/i
/** Words that name something by a letter: `vitamin C` chooses no option. */
const NAMED_BEFORE =
  /\b(?:vitamin|hepatitis|type|plan|grade|group|class|point|figure|equation|train|team|player|angle|side|line|set|carbon|row|column|model|brand|version|level|block|section|room|mr|mrs|ms|dr)\.?\s+$/i
const CONCLUSION = /(?:^|[\s,;:.(]+)(?:so|thus|therefore|hence|leaving|which leaves|making it)\b[\s,:]*/gi

/** The letter that an answer chooses: `B`, `(B)`, `B) 42`, `option B`, `C, not (A)`, `(A) is wrong, so (B)`. */
export function readLetter(written: string): LetterReading {
  const plain = plainText(written).replaceAll('$', '').trim()
  const conclusion = [...plain.matchAll(CONCLUSION)].at(-1)
  const tail =
    conclusion && conclusion.index + conclusion[0].length < plain.length ? plain.slice(conclusion.index + conclusion[0].length) : undefined
  const said = tail === undefined ? undefined : chosen(tail)
  const head = conclusion && said?.kind === 'letter' ? plain.slice(0, conclusion.index) : plain
  const first = chosen(head)
  if (said?.kind !== 'letter') return first
  if (first.kind === 'letter' && first.letter !== said.letter) return { kind: 'unclear' }
  return said
}

function chosen(plain: string): LetterReading {
  if (/^\W*(?:because|since|if|when|given)\b/i.test(plain)) return { kind: 'none' }
  const cut = plain.search(REASON)
  const head = cut > 0 ? plain.slice(0, cut) : plain
  const mentions = mentionsOf(head)
  const all = mentions.length === 0 && head !== plain ? mentionsOf(plain) : mentions
  const [first] = all
  if (first === undefined) return { kind: 'none' }
  if (/^\W*(?:either|neither|both|all|none)\b/i.test(plain)) return { kind: 'unclear' }
  const asserted = all.filter((mention) => !isDenied(plain, mention) && !isAside(plain, mention))
  const [leading] = asserted
  if (leading === undefined) return { kind: 'unclear' }
  const others = asserted.filter(({ letter }) => letter !== leading.letter)
  const isLeading =
    leading.isMarked &&
    /^\W*(?:(?:the|correct|right|best|answer|choice|option|is|it|must|be|should|would)\s+)*\W*$/i.test(plain.slice(0, leading.start))
  const joined = others.some(({ start, isMarked }) => isJoined(plain.slice(leading.end, start)) || (isMarked && !isLeading))
  if (others.length > 0 && (joined || !isLeading)) return { kind: 'unclear' }
  if (/\?\s*$/.test(plain)) return { kind: 'unclear' }
  return { kind: 'letter', letter: leading.letter, before: plain.slice(0, leading.start), behind: plain.slice(leading.end) }
}

function mentionsOf(plain: string): Mention[] {
  return [...plain.matchAll(MENTION)].flatMap(({ index, 0: text, groups = {} }): Mention[] => {
    const { enclosed, bracketed, named, bare, lower } = groups
    const letter = enclosed ?? bracketed ?? named ?? bare ?? lower
    if (letter === undefined) return []
    const end = index + text.length
    // A lower-case letter in the middle of a text is a word or a variable.
    const isAlone = lower === undefined || /^\W*(?:(?:the|correct|answer|option|choice|is)\s+)*\W*$/i.test(plain.slice(0, index))
    if (!isAlone) return []
    const isMarked = bare === undefined || /^\s*[).:]|^\s*$/.test(plain.slice(end, end + 2))
    return [{ letter: letter.toUpperCase(), start: index, end, isMarked }]
  })
}

function isDenied(plain: string, { start, end }: Mention): boolean {
  return (
    NEGATED_BEFORE.test(plain.slice(Math.max(0, start - 60), start)) ||
    NEGATED_BEHIND.test(plain.slice(end, end + 80)) ||
    FAILING_BEHIND.test(plain.slice(end, end + 20))
  )
}

/** `B (see (a) above)`, `as in (C)`: what is only referred to. */
function isAside(plain: string, { start, isMarked }: Mention): boolean {
  const before = plain.slice(0, start)
  if (NAMED_BEFORE.test(before.slice(-20))) return true
  if (ASIDE_BEFORE.test(before.slice(-20)) && before.trim() !== '' && /\w/.test(before.replace(ASIDE_BEFORE, ''))) return true
  const open = before.lastIndexOf('(')
  return (
    open >= 0 &&
    !/\b(?:or|maybe|perhaps|possibly)\b/i.test(before.slice(open)) &&
    before.indexOf(')', open) < 0 &&
    /\p{L}/u.test(before.slice(open + 1)) &&
    isMarked
  )
}

/** `B or C`, `B, C`, `B and C`, `B/C`. */
function isJoined(gap: string): boolean {
  return (
    /^\W*(?:(?:or|and|nor)\b|[,/&+;])?\W*(?:(?:or|and|maybe|possibly|option|choice|also|perhaps)\s+)*\W*$/i.test(gap) ||
    /\b(?:or|and)\s+(?:\w+\s+)?\(?$/i.test(gap)
  )
}
