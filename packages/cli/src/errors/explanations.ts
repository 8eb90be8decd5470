import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A file that is made from docs/troubleshooting.md: the section of each code. */
const FILE = join(__dirname, '../../errors.json')

/** What an error code means and what helps, in Markdown, by code. Read when it is asked for: most commands fail with nothing. */
export function explanations(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>
}

/** How to read more about a failure; undefined for codes that are a plugin's own. */
export function explainCommand(code: string): string | undefined {
  return Object.hasOwn(explanations(), code) ? `plumb explain ${code}` : undefined
}

const LINK = /\[([^\]]+)\]\(([^)]+)\)/g

/** Markdown as a terminal shows it: a link is its text, and behind it the page where that is another one. */
export function asPlainText(markdown: string): string {
  return markdown.replace(LINK, (_, text: string, target: string) =>
    target.startsWith('#') || target === text ? text : `${text} (docs/${target})`,
  )
}
