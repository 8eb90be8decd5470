import { createHash } from 'node:crypto'
import type { GroupRecord } from '../seams/records'

/** What tells whether two records ask the same: the conversation, or the question, whatever their ids are. */
export function questionKey({ prompt, messages }: Pick<GroupRecord, 'prompt' | 'messages'>): string {
  const asked = messages ? messages.map(({ role, content }) => [role, content.trim()]) : [['user', prompt.trim()]]
  return createHash('sha256').update(JSON.stringify(asked)).digest('base64')
}
