/** What a graph gives or takes under a name that it has by its construction: without it nothing can be computed, so that is a fault here. */
export function tensorNamed<T>(tensors: Readonly<Record<string, T>>, name: string): T {
  const tensor = tensors[name]
  if (tensor === undefined) throw new Error(`There is no tensor ${name}; there are ${Object.keys(tensors).join(', ')}`)
  return tensor
}
