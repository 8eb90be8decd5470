import type { GroupRecord } from '../seams/records'
import { describe, isEmpty } from './fields'
import type { Row } from './row'

/** TRL's column of a record's own arguments for the chat template. */
export const CHAT_TEMPLATE_KWARGS = 'chat_template_kwargs'

/** @throws PlumbError PLUMB_DATA_FIELD where the column holds something else than an object. */
export function templateArgumentsOf(row: Row): Pick<GroupRecord, 'chatTemplateKwargs'> {
  const value = row.field(CHAT_TEMPLATE_KWARGS)
  if (isEmpty(value)) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw row.error('PLUMB_DATA_FIELD', `"${CHAT_TEMPLATE_KWARGS}" must be an object of arguments by name, but is ${describe(value)}.`)
  }
  return Object.keys(value).length === 0 ? {} : { chatTemplateKwargs: value as Readonly<Record<string, unknown>> }
}
