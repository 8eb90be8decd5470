import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { foreignNamesTable } from '../../src/config/foreign-names'
import { parseConfig } from '../../src/config/load'
import { configReference } from '../../src/config/reference'
import { configSchema } from '../../src/config/schema'

const docs = (page: string) => readFileSync(path.resolve(__dirname, '../../../../docs', page), 'utf8')
const page = docs('configuration.md')

test('docs/configuration.md has the tables of the schema (else: npm run build && node scripts/configuration-docs.mjs)', () => {
  expect(page).toContain(`<!-- tables from the schema -->\n\n${configReference()}\n\n<!-- end of the tables -->`)
})

test('docs/coming-from.md has the names that are answered (else: npm run build && node scripts/configuration-docs.mjs)', () => {
  expect(docs('coming-from.md')).toContain(`<!-- names of other tools -->\n\n${foreignNamesTable()}\n\n<!-- end of the names -->`)
})

test('every key of the schema has a meaning', () => {
  const unexplained: string[] = []
  const visit = (schema: Readonly<Record<string, unknown>>, at: string): void => {
    const properties = (schema.properties ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>
    for (const [key, property] of Object.entries(properties)) {
      if (property.description === undefined) unexplained.push(`${at}${key}`)
      const inner = [property, property.items, ...((property.anyOf ?? []) as unknown[])]
      for (const found of inner)
        if (typeof found === 'object' && found !== null) visit(found as Readonly<Record<string, unknown>>, `${at}${key}.`)
    }
  }
  visit(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any', reused: 'inline' }), '')
  expect(unexplained).toEqual([])
})

test('the example of the page is a valid config', () => {
  const example = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? ''
  expect(parseConfig(parse(example)).config.align.map(({ name }) => name)).toEqual(['ca-boundary', 'ca-none', 'sft'])
})
