import type { JinjaValue } from '../huggingface'

/** Expressions and iterations of one rendering, and what each message may add: templates of today take 20 to 100 for each. */
const STEPS = 40_000
const STEPS_OF_A_MESSAGE = 1_000
/** Items of a list. Jinja's sandbox, which transformers renders in, allows `range` as many. */
const ITEMS = 100_000
/** UTF-16 units of a text, beside 16 times what the messages hold. */
const LENGTH = 1_000_000
/** Large values take time by their size: a step for so many items or units. */
const ITEMS_OF_A_STEP = 16
const UNITS_OF_A_STEP = 4_096

/** How large the input of a rendering is. */
export interface Extent {
  readonly messages: number
  /** UTF-16 units of all contents together. */
  readonly length: number
}

/** What one rendering may use, so that a hostile template ends in a sentence and not in a dead process. */
export class Budget {
  private steps = 0
  private readonly most: number

  constructor(private readonly given: Extent) {
    // reading a long text through is not held against a template
    this.most = STEPS + given.messages * (STEPS_OF_A_MESSAGE + (100 * given.length) / UNITS_OF_A_STEP)
  }

  step(count = 1): void {
    this.steps += count
    if (this.steps > this.most) throw new Error('it takes too many steps; a loop without an end?')
  }

  length(length: number): void {
    if (length > LENGTH + 16 * this.given.length) throw new Error(`it makes a text of more than ${LENGTH} characters`)
  }

  items(count: number): void {
    if (count > ITEMS) throw new Error(`it makes a list of more than ${ITEMS} items`)
  }

  /** A value that was just made. */
  checked(value: JinjaValue): JinjaValue {
    if (typeof value.value === 'string') {
      this.length(value.value.length)
      this.step(Math.floor(value.value.length / UNITS_OF_A_STEP))
    } else if (Array.isArray(value.value)) {
      this.items(value.value.length)
      this.step(Math.floor(value.value.length / ITEMS_OF_A_STEP))
    }
    return value
  }
}
