import { jinja, type JinjaNode } from '../huggingface'
import { Budget, type Extent } from './budget'
import { Interpreter } from './interpreter'
import * as v from './values'
import { variablesOf } from './variables'

export interface RenderOptions {
  /** What `strftime_now(format)` gives. */
  readonly strftimeNow: (format: string) => string
  /** A long conversation may take more than a short one. */
  readonly extent: Extent
}

/** A Jinja template as `transformers` compiles it (`trim_blocks`, `lstrip_blocks`, loop controls), parsed once. */
export class Template {
  private readonly program: JinjaNode

  /** @throws Error what is wrong with its syntax */
  constructor(source: string) {
    this.program = jinja.parse(jinja.tokenize(source.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }))
  }

  /** Names that it reads before it sets them; see `variablesOf`. */
  get variables(): readonly string[] {
    return variablesOf(this.program)
  }

  /** @throws Error what the template raised, does not know, or takes too much of */
  render(variables: Readonly<Record<string, unknown>>, { strftimeNow, extent }: RenderOptions): string {
    const budget = new Budget(extent)
    const environment = new jinja.Environment()
    for (const [name, value] of [
      ['true', true],
      ['false', false],
      ['none', null],
      ['True', true],
      ['False', false],
      ['None', null],
    ] as const) {
      environment.set(name, value)
    }
    environment.setVariable(
      'raise_exception',
      v.callable(([message]) => {
        throw new Error(message === undefined ? 'raise_exception()' : v.text(message))
      }),
    )
    environment.setVariable(
      'range',
      v.callable((args) =>
        v.list(
          range(
            args.map(({ value }) => value),
            budget,
          ).map(v.integer),
        ),
      ),
    )
    environment.setVariable(
      'strftime_now',
      v.callable(([format]) => v.string(strftimeNow(v.text(format ?? v.string(''))))),
    )
    for (const [name, value] of Object.entries(variables)) environment.set(name, value)
    return v.text(new Interpreter(environment, budget).evaluate(this.program, environment))
  }
}

/** `range` of Python; its length is known before it is built. */
function range(args: readonly unknown[], budget: Budget): number[] {
  if (args.length < 1 || args.length > 3 || !args.every((value): value is number => Number.isInteger(value))) {
    throw new Error('range takes one to three integers')
  }
  const [start, stop, step] = args.length === 1 ? [0, args[0] ?? 0, 1] : [args[0] ?? 0, args[1] ?? 0, args[2] ?? 1]
  if (step === 0) throw new Error('range() step must not be zero')
  const count = Math.max(0, Math.ceil((stop - start) / step))
  budget.items(count)
  return Array.from({ length: count }, (_, i) => start + i * step)
}
