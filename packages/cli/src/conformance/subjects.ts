import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PlumbError, suggestion, type PluginKind } from '@plumbline/core'
import { z } from 'zod'

/** The file beside a plugin's package.json that says what its things are checked with. */
export const SUBJECTS_FILE = 'conformance.json'

const options = z.array(z.record(z.string(), z.unknown())).min(1).optional()
const except = z.record(z.string(), z.string()).optional()
const question = z.strictObject({ id: z.string(), prompt: z.string(), answer: z.string().optional() })
const file = { name: z.string().min(1), content: z.string() }

const loss = z.strictObject({ options, except })
const labeler = z.strictObject({
  options,
  except,
  examples: z.array(z.strictObject({ question, text: z.string(), status: z.enum(['right', 'wrong', 'unparsed', 'ranked']) })).optional(),
})
const sampler = z.strictObject({ options, except, prompts: z.array(z.string()).min(2).optional() })
const dataset = z.strictObject({
  options,
  except,
  good: z.strictObject({ ...file, records: z.int().min(2) }),
  bad: z.strictObject({ ...file, line: z.int().positive() }),
})
const folder = z.strictObject({ kind: z.literal('folder'), path: z.string() })
const scratch = z.strictObject({
  kind: z.literal('scratch'),
  architecture: z.record(z.string(), z.unknown()),
  tokenizer: z.string(),
  seed: z.int(),
})
const backend = z.strictObject({ options, except, model: z.discriminatedUnion('kind', [folder, scratch]) })
const reporter = z.strictObject({ options, except, endMs: z.int().positive().optional() })

const SCHEMAS = { loss, labeler, sampler, dataset, backend, reporter } satisfies Record<PluginKind, z.ZodType>

/** In the order in which they are checked. */
export const CHECKED_KINDS = Object.keys(SCHEMAS) as readonly PluginKind[]

/** What each kind of thing is checked with, by `kind/name`. */
export interface Subjects {
  of<K extends keyof typeof SCHEMAS>(kind: K, name: string): z.output<(typeof SCHEMAS)[K]> | undefined
}

/**
 * Reads conformance.json of a package; nothing where there is none.
 * @param known `kind/name` of everything that the plugin registers.
 * @throws PlumbError PLUMB_CONFORMANCE_FILE
 */
export function readSubjects(root: string, known: readonly string[]): Subjects {
  const path = join(root, SUBJECTS_FILE)
  const given = existsSync(path) ? parsed(path) : {}
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw refusal(`"${key}" is nothing that the plugin registers. ${suggestion(key, known)}`, path)
  }
  const checked = new Map<string, unknown>()
  for (const [key, value] of Object.entries(given)) {
    const schema: z.ZodType = SCHEMAS[key.split('/')[0] as keyof typeof SCHEMAS]
    const result = schema.safeParse(value)
    if (!result.success) {
      const [issue] = result.error.issues
      throw refusal(`${[key, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not as expected'}.`, path)
    }
    checked.set(key, result.data)
  }
  return { of: (kind, name) => checked.get(`${kind}/${name}`) as never }
}

function parsed(path: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw refusal(`The file is no JSON: ${(error as Error).message}.`, path)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal('Expected an object with a key "kind/name" for each thing that is described.', path)
  return value as Readonly<Record<string, unknown>>
}

function refusal(message: string, path: string): PlumbError {
  return new PlumbError('PLUMB_CONFORMANCE_FILE', message, path)
}
