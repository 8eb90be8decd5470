import { printable } from '@plumbline/core/base'
import { labelledChains } from './chains'
import { EventsRenderer } from './events'
import { LiveRenderer } from './live'
import type { Output, ProgressRenderer } from './output'
import { PlainRenderer } from './plain'
import { hasColor, paintOf, signsOf } from './terminal'

/**
 * `live` redraws the list of stages, `plain` writes now and then a line for a log, `silent` writes only what is said, `events` writes every event as a
 * line of JSON.
 */
export type ProgressMode = 'live' | 'plain' | 'silent' | 'events'

/** What a renderer is made for. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly now?: () => number
}

export function createRenderer(
  mode: ProgressMode,
  output: Output,
  { env = process.env, now = Date.now }: Surroundings = {},
): ProgressRenderer {
  const paint = paintOf(hasColor(output, env))
  switch (mode) {
    case 'live':
      return withChains(new LiveRenderer(output, { paint, signs: signsOf(env) }, now))
    case 'plain':
      return withChains(new PlainRenderer(output, paint, now))
    case 'events':
      return new EventsRenderer(output, now)
    case 'silent':
      return { handle: () => undefined, say: (message) => void output.write(`${printable(message)}\n`), close: () => undefined }
  }
}

/** Shows, once the candidates are labelled, some of them: what the model can do and what it gets wrong. */
function withChains(renderer: ProgressRenderer): ProgressRenderer {
  return {
    handle: (event, time) => {
      renderer.handle(event, time)
      if (event.type === 'stage-end' && event.stage === 'label') labelledChains(event.path).forEach((line) => renderer.say(line))
    },
    say: (message) => renderer.say(message),
    close: () => renderer.close(),
  }
}
