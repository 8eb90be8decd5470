import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Template } from '../src/jinja/template'

interface Recorded {
  readonly context: Readonly<Record<string, unknown>>
  readonly snippets: readonly { readonly template: string; readonly text?: string; readonly error?: string }[]
}

const { context, snippets } = JSON.parse(readFileSync(join(__dirname, 'fixtures/templates.json'), 'utf8')) as Recorded
const render = (template: string, variables: Readonly<Record<string, unknown>> = context) =>
  new Template(template).render(variables, {
    strftimeNow: () => '',
    extent: { messages: (variables.messages as unknown[] | undefined)?.length ?? 1, length: 100 },
  })

/** What the engine does not know and says so, although Jinja 2 does. */
const REFUSED: readonly string[] = [
  '{{ (1,) }}',
  '{{ 1e20 }}',
  '{{ "%s" % "x" }}',
  '{{ "{}".format("x") }}',
  "{{ 'a' < 'b' }}",
  "{{ 'ab' * 2 }}",
  '{{ dict(a=1) }}',
  "{{ 'a' is in ['a'] }}",
  '{{ 3 is divisibleby(3) }}',
  '{{ [[1,2],[3,4]]|sum(start=[]) }}',
  '{{ 10000000000000000000 }}',
  '{%+ if true %} plus{% endif %}',
  '{{ true + 1 }}',
]

describe('a template is rendered as transformers renders it', () => {
  const understood = snippets.filter(({ template }) => !REFUSED.includes(template))

  it.each(understood.filter(({ text }) => text !== undefined))('$template', ({ template, text }) => {
    expect(render(template)).toBe(text)
  })

  it.each(understood.filter(({ error }) => error !== undefined))('refused by both: $template', ({ template }) => {
    expect(() => render(template)).toThrow()
  })

  it.each(REFUSED)('refused, never rendered otherwise: %s', (template) => {
    expect(snippets.some((snippet) => snippet.template === template && snippet.text !== undefined)).toBe(true)
    expect(() => render(template)).toThrow()
  })
})

describe('a template cannot run or grow without bound', () => {
  const nested = (depth: number) => '{% for i in range(10000) %}'.repeat(depth) + 'x' + '{% endfor %}'.repeat(depth)

  it.each([
    ['a long range', '{% for i in range(1000000000) %}x{% endfor %}'],
    ['nested loops', nested(3)],
    ['nested empty loops', '{% for i in range(100000) %}'.repeat(3) + '{% endfor %}'.repeat(3)],
    ['a text that doubles', `{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`],
    ['a list that doubles', `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`],
    ['much output', `{% for i in range(100000) %}${'x'.repeat(100)}{% endfor %}`],
    [
      'replacements that multiply',
      `{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(9) %}{% set ns.x = ns.x|replace('a', ns.x) %}{% endfor %}`,
    ],
    ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
    ['an indentation', "{{ 'a\nb'|indent(1000000000) }}"],
    ['a filter over a loop', '{{ range(100000)|map(attribute="x")|list }}'.replace('map(attribute="x")', 'join(range(90000)|join)')],
  ])('%s', (_, template) => {
    // Of the processor, so that other work on the machine does not count.
    const before = process.cpuUsage()
    expect(() => render(template, {})).toThrow()
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(2000)
  })

  it('a conversation of a thousand turns renders', () => {
    const messages = Array.from({ length: 1000 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `line ${i}` }))
    const template =
      "{% for m in messages %}{% if m['role'] == 'user' %}U: {{ m['content']|trim }}{% else %}A: {{ m['content'] }}{% endif %}\n{% endfor %}"
    expect(render(template, { messages }).length).toBe(messages.reduce((sum, { content }) => sum + content.length + 3, 0))
  })
})
