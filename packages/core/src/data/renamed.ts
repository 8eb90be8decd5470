import { PlumbError } from '../errors'
import { closest } from '../util/suggest'
import { describe } from './fields'

type Fields = Readonly<Record<string, unknown>>

/** Gives the columns of a file the names that a format knows them by. */
export class Renaming {
  private readonly pairs: readonly (readonly [field: string, column: string])[]
  private readonly used: ReadonlySet<string>
  private isFirst = true

  constructor(columns: Readonly<Record<string, string>>) {
    this.pairs = Object.entries(columns)
    this.used = new Set(this.pairs.flatMap((pair) => pair))
  }

  /**
   * The record with its fields under the format's names. A column that another one takes the name of is left out with what was said of it:
   * the configuration says what the field is.
   *
   * @param columns of a table, whose rows lack what is empty.
   * @throws PlumbError PLUMB_DATA_FIELD where the file's first record, or the table, has no such column.
   */
  of(record: Fields, where: string, columns: readonly string[] = Object.keys(record)): Fields {
    if (this.isFirst) {
      this.isFirst = false
      for (const [field, column] of this.pairs) if (!columns.includes(column)) throw missing(field, column, columns, where)
    }
    const others = Object.entries(record).filter(([name]) => !this.used.has(name))
    const named = this.pairs.flatMap(([field, column]) => (Object.hasOwn(record, column) ? [[field, record[column]] as const] : []))
    return Object.fromEntries([...others, ...named])
  }
}

function missing(field: string, column: string, columns: readonly string[], where: string): PlumbError {
  const meant = closest(column, columns)
  const hint = meant === undefined ? `There are: ${columns.join(', ').slice(0, 300)}.` : `Did you mean "${meant}"?`
  return new PlumbError('PLUMB_DATA_FIELD', `columns.${field} names ${describe(column)}, which the file does not have. ${hint}`, where)
}
