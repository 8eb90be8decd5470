import { printable } from '@plumbline/core/base'
import { labelledChains } from './chains'
import { LiveRenderer } from './live'
import type { Output, ProgressRenderer } from './output'
import { PlainRenderer } from './plain'

/** `live` redraws one line per stage, `plain` writes now and then a line for a log, `silent` writes only what is said. */
export type ProgressMode = 'live' | 'plain' | 'silent'

export function createRenderer(mode: ProgressMode, output: Output, now: () => number = Date.now): ProgressRenderer {
  switch (mode) {
    case 'live':
      return withChains(new LiveRenderer(output, now))
    case 'plain':
      return withChains(new PlainRenderer(output, now))
    case 'silent':
      return { handle: () => undefined, say: (message) => void output.write(`${printable(message)}\n`), close: () => undefined }
  }
}

/** Shows, once the candidates are labelled, some of them: what the model can do and what it gets wrong. */
function withChains(renderer: ProgressRenderer): ProgressRenderer {
  return {
    handle: (event) => {
      renderer.handle(event)
      if (event.type === 'stage-end' && event.stage === 'label') labelledChains(event.path).forEach((line) => renderer.say(line))
    },
    say: (message) => renderer.say(message),
    close: () => renderer.close(),
  }
}
