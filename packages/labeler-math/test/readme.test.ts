import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compareAnswers, ready } from '../src'

const readme = readFileSync(join(__dirname, '..', 'README.md'), 'utf8')
const examples = [...readme.matchAll(/^compareAnswers\('(.*)', '(.*)'\) \/\/ '(\w+)'/gm)].map(([, a = '', b = '', verdict = '']) => {
  const written = (text: string) => text.replaceAll('\\\\', '\\')
  return [written(a), written(b), verdict] as const
})

beforeAll(ready)

test('the README has examples', () => expect(examples).toHaveLength(4))

test.each(examples)('the README says that %s and %s are %s', (a, b, verdict) => {
  expect(compareAnswers(a, b)).toBe(verdict)
})
