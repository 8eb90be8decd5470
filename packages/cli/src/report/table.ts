/** A cell's text and the side it leans to; figures lean right so that their digits line up. */
export interface Column {
  readonly title: readonly string[]
  readonly align: 'left' | 'right'
}

/** Plain text columns two spaces apart, titles above (several lines, bottom-aligned), no frame. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titleLines = Math.max(...columns.map((column) => column.title.length))
  const titles = Array.from({ length: titleLines }, (_, line) =>
    columns.map(({ title }) => title[line - (titleLines - title.length)] ?? ''),
  )
  const widths = columns.map((_, c) => Math.max(...[...titles, ...rows].map((row) => row[c]!.length)))
  const draw = (row: readonly string[]) =>
    row
      .map((cell, c) => (columns[c]!.align === 'left' ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join('  ')
      .trimEnd()
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2))
  return [...titles.map(draw), rule, ...rows.map(draw)].join('\n')
}
