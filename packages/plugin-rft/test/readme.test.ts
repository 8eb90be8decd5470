import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { equationsOf, selectChains } from '../src'

it('the README’s expressions have the values that stand behind them', () => {
  const page = readFileSync(join(__dirname, '../README.md'), 'utf8')
  const block = /^```ts\nimport .*\n\n([\s\S]*?)^```$/m.exec(page)![1]!
  const lines = [...block.matchAll(/([\s\S]*?) \/\/ (.+)\n/g)]
  expect(lines).toHaveLength(2)
  for (const [, expression, value] of lines) {
    // oxlint-disable-next-line typescript/no-implied-eval -- running what the page shows is what this is for
    const shown = new Function('equationsOf', 'selectChains', `return [${expression}, ${value}]`) as (...scope: unknown[]) => unknown[]
    const [actual, expected] = shown(equationsOf, selectChains)
    expect(actual).toEqual(expected)
  }
})
