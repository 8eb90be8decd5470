/** The internals of a schema that are read here, alike in every zod 4. */
interface Definition {
  readonly type: string
  readonly shape?: Readonly<Record<string, unknown>>
  readonly catchall?: unknown
  readonly innerType?: unknown
  readonly element?: unknown
  readonly options?: readonly unknown[]
  readonly items?: readonly unknown[]
  readonly valueType?: unknown
  readonly in?: unknown
}

export function definition(schema: unknown): Definition | undefined {
  const found = (schema as { _zod?: { def?: Definition } } | undefined)?._zod?.def
  if (found?.innerType !== undefined) return definition(found.innerType)
  return found?.type === 'pipe' ? definition(found.in) : found
}

/** The object schema behind defaults and unions, if there is one. */
function objectDefinition(schema: unknown): Definition | undefined {
  const found = definition(schema)
  if (found?.type === 'object') return found
  if (found?.type === 'union') return found.options?.map(objectDefinition).find((option) => option !== undefined)
  return undefined
}

/** The keys an object schema names. */
export function keysOf(schema: unknown): string[] {
  return Object.keys(objectDefinition(schema)?.shape ?? {})
}

/** The schema of what stands at a path. */
export function schemaAt(schema: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((current, key) => {
    const found = definition(current)
    if (found?.type === 'array') return found.element
    if (found?.type === 'tuple') return found.items?.[Number(key)]
    if (found?.type === 'record') return found.valueType
    return objectDefinition(current)?.shape?.[String(key)]
  }, schema)
}

/** Keys of `value` that an object schema neither names nor mentions: it would drop them. */
export function droppedKeys(schema: unknown, value: unknown): string[] {
  const found = definition(schema)
  if (found?.type !== 'object' || found.catchall !== undefined || typeof value !== 'object' || value === null) return []
  return Object.keys(value).filter((key) => !(key in (found.shape ?? {})))
}
