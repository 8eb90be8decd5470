import type { PackedGroup, SelectedGroup } from '@plumbline/transformer'
import { groupKey } from './draws'
import type { GroupShape } from './process/methods'

/** Groups as they cross to Python: lengths in the header, tokens in one array. */
export function sentGroups(groups: readonly (PackedGroup | SelectedGroup)[], keyed = false): { groups: GroupShape[]; tokens: Int32Array } {
  const shapes = groups.map(({ id, prompt, completions, selected }): GroupShape => ({
    prompt: prompt.length,
    completions: completions.map(({ length }) => length),
    selected: selected ?? completions.map((_, c) => c),
    ...(keyed ? { key: groupKey(id ?? '') } : {}),
  }))
  return { groups: shapes, tokens: Int32Array.from(groups.flatMap(({ prompt, completions }) => [...prompt, ...completions.flat()])) }
}
