/** A further pass of one variant through sample → label → align. */
export interface Round {
  /** What its stages, its model and its row of the report are called: `boundary+2`. */
  readonly name: string
  /** Of all that is drawn in it: the same draws again would ask the same of every round. */
  readonly seed: number
}
