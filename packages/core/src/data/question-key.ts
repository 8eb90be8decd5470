import type { GroupRecord } from '../seams/records'

/**
 * What a question asks, as a text to compare questions by, within a file or between files: its conversation, where a plain question
 * and a conversation of one user message are the same, without white space around each message. Ids, answers and candidates play no part.
 */
export function questionKey({ prompt, messages }: Pick<GroupRecord, 'prompt' | 'messages'>): string {
  const turns = messages ?? [{ role: 'user', content: prompt }]
  return JSON.stringify(turns.map(({ role, content }) => [role, content.trim()]))
}
