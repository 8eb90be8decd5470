import type { Generation } from '@plumbline/core/base'

/** Completions whose next token is due, all from one computation. */
export interface Turn {
  readonly due: number
  /**
   * Gives the completion at this place its next token; called once for each, in order.
   * @returns the finished completion, or undefined when it goes on
   */
  next(place: number): Generation | undefined
  /** Called once all have theirs, with the places of those that are over, ascending. */
  settle(ended: readonly number[]): void | Promise<void>
}

/** What an engine does of decoding: prompts, caches, and the model itself. How rows are filled is its own choice: one by one, or in waves. */
export interface DecodingRows {
  /** Completions under way. */
  readonly alive: number
  /** Begins completions, whose first token is then due; undefined where there is no room for any now, or none is left. */
  begin(): Promise<Turn | undefined>
  /** Waits between two computations, for others to be heard. Whatever it throws ends the run. */
  pause(): Promise<void>
  /** Takes the last token of every completion under way through the model. */
  step(): Promise<Turn>
}

/**
 * The loop around a model that decodes: fills the rows, takes a step, chooses tokens, and lets go of what has ended, until nothing is under way.
 * @returns completions as they end
 */
export async function* decode(rows: DecodingRows): AsyncGenerator<Generation> {
  for (;;) {
    for (let turn = await rows.begin(); turn !== undefined; turn = await rows.begin()) yield* taken(turn)
    if (rows.alive === 0) return
    await rows.pause()
    yield* taken(await rows.step())
  }
}

async function* taken(turn: Turn): AsyncGenerator<Generation> {
  const ended: number[] = []
  for (let place = 0; place < turn.due; place++) {
    const done = turn.next(place)
    if (done === undefined) continue
    ended.push(place)
    yield done
  }
  await turn.settle(ended)
}
