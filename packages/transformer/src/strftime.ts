/** A calendar day, `YYYY-MM-DD`. */
export type IsoDate = string

/** The day that `strftime_now` gives when no other is asked for: the one Llama 3's own template falls back to. */
export const DEFAULT_DATE: IsoDate = '2024-07-26'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June']
MONTHS.push('July', 'August', 'September', 'October', 'November', 'December')
const DAY = 86_400_000

/**
 * `datetime(…).strftime(format)` of Python in the C locale, at midnight of a day without a time zone: the same text on every
 * machine, in every language, at any time. `%-d` and its like leave out zeros, as on Linux.
 * @throws Error for a directive that Python does not document.
 */
export function strftime(format: string, date: IsoDate): string {
  const midnight = new Date(`${date}T00:00:00Z`)
  if (Number.isNaN(midnight.getTime())) throw new Error(`"${date}" is not a day`)
  return format.replace(/%(-?)(.?)/gsu, (_, dash: string, directive: string) => {
    const written = directives(midnight)[directive]
    if (written === undefined) throw new Error(`strftime does not know the directive "%${dash}${directive}"`)
    return dash === '-' ? written.replace(/^[0 ]+(?=.)/, '') : written
  })
}

function directives(day: Date): Readonly<Record<string, string>> {
  const year = day.getUTCFullYear()
  const month = day.getUTCMonth()
  const dayOfMonth = day.getUTCDate()
  const weekday = day.getUTCDay()
  const yearDay = Math.round((day.getTime() - Date.UTC(year, 0, 1)) / DAY) // from 0
  const iso = isoWeek(day)
  const two = (value: number) => String(value).padStart(2, '0')
  const [dayName = '', monthName = ''] = [DAYS[weekday], MONTHS[month]]
  const slashes = `${two(month + 1)}/${two(dayOfMonth)}/${two(year % 100)}`
  const clock = '00:00:00'
  return {
    a: dayName.slice(0, 3),
    A: dayName,
    w: String(weekday),
    u: String(weekday === 0 ? 7 : weekday),
    d: two(dayOfMonth),
    e: String(dayOfMonth).padStart(2, ' '),
    b: monthName.slice(0, 3),
    h: monthName.slice(0, 3),
    B: monthName,
    m: two(month + 1),
    y: two(year % 100),
    Y: String(year),
    C: two(Math.floor(year / 100)),
    H: '00',
    I: '12',
    p: 'AM',
    M: '00',
    S: '00',
    f: '000000',
    z: '',
    Z: '',
    j: String(yearDay + 1).padStart(3, '0'),
    U: two(Math.floor((yearDay + 7 - weekday) / 7)),
    W: two(Math.floor((yearDay + 7 - ((weekday + 6) % 7)) / 7)),
    G: String(iso.year),
    g: two(iso.year % 100),
    V: two(iso.week),
    c: `${dayName.slice(0, 3)} ${monthName.slice(0, 3)} ${String(dayOfMonth).padStart(2, ' ')} ${clock} ${year}`,
    x: slashes,
    D: slashes,
    X: clock,
    T: clock,
    R: '00:00',
    r: '12:00:00 AM',
    F: `${year}-${two(month + 1)}-${two(dayOfMonth)}`,
    n: '\n',
    t: '\t',
    '%': '%',
  }
}

/** The week of ISO 8601: its year is the one that its Thursday falls into. */
function isoWeek(day: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(day.getTime() + (4 - (day.getUTCDay() || 7)) * DAY)
  const year = thursday.getUTCFullYear()
  return { year, week: 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY)) }
}
