/** What a variant is called after a round: `boundary`, then `boundary+2`. No variant can be called so. */
export function roundName(variant: string, round: number): string {
  return round === 1 ? variant : `${variant}+${round}`
}

/** Whether a model's name is of a round after the first. */
export function isOfFurtherRound(name: string): boolean {
  return /\+\d+$/.test(name)
}
