import { PlumbError, type PolicyInfo, type TokenGroup } from '@plumbline/core/base'
import type { SelectedGroup } from './micro-batches'

/** The needed completions of every group that has any. */
export function selectGroups(groups: readonly TokenGroup[], info: Pick<PolicyInfo, 'contextLength' | 'vocabularySize'>): SelectedGroup[] {
  const selectedGroups: SelectedGroup[] = []
  for (const [group, { id, prompt, completions, needed }] of groups.entries()) {
    const selected = completions.flatMap((_, i) => (needed?.[i] === false ? [] : [i]))
    if (selected.length === 0) continue
    const where = `group ${id}`
    if (prompt.length === 0) throw new PlumbError('PLUMB_EMPTY_PROMPT', 'The prompt has no tokens; expected at least one.', where)
    for (const i of selected) {
      if (completions[i]!.length === 0) {
        throw new PlumbError('PLUMB_EMPTY_COMPLETION', `Completion ${i} has no tokens; expected at least one.`, where)
      }
      // The last token is predicted, never read.
      const tokens = prompt.length + completions[i]!.length
      if (tokens > info.contextLength) {
        const message = `Prompt and completion ${i} have ${tokens} tokens; the model's context holds ${info.contextLength}.`
        throw new PlumbError('PLUMB_CONTEXT_EXCEEDED', message, where)
      }
    }
    for (const token of [prompt, ...selected.map((i) => completions[i]!)].flat()) {
      if (Number.isInteger(token) && token >= 0 && token < info.vocabularySize) continue
      throw new PlumbError('PLUMB_TOKEN_OUT_OF_RANGE', `Token ${token} is outside the vocabulary of ${info.vocabularySize}.`, where)
    }
    selectedGroups.push({ id, group, selected, prompt, completions: selected.map((i) => completions[i]!) })
  }
  return selectedGroups
}
