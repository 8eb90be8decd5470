import type { Sampling } from '@plumbline/core/base'

/** Whether texts must be looked at while they grow: only then does an engine need a tokenizer, and write the texts itself. */
export const hasStops = ({ stop = [] }: Sampling): boolean => stop.some((text) => text.length > 0)
