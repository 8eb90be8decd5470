/** The stage-1 model is drawn in the colour of the text; variants take these in turn, and dashes once they are used up. */
const COLOURS = 6

export interface Look {
  /** A custom property of the page's style sheet, which has a light and a dark value for it. */
  readonly colour: string
  /** `stroke-dasharray`, for the second and further rounds. */
  readonly dashes?: string
}

/** How the m-th model is drawn everywhere. Okabe and Ito's colours: told apart by those who see colours differently, too. */
export function lookOf(m: number): Look {
  if (m === 0) return { colour: 'var(--stage-1)' }
  const round = Math.floor((m - 1) / COLOURS)
  return { colour: `var(--model-${((m - 1) % COLOURS) + 1})`, ...(round > 0 ? { dashes: `${6 - Math.min(round, 4)} 3` } : {}) }
}
