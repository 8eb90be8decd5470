/** What a variant is called after a round: `boundary`, then `boundary+2`. No variant can be called so. */
export function roundName(variant: string, round: number): string {
  return round === 1 ? variant : `${variant}+${round}`
}

/** The models that alignment makes, each round's after those of the one before: every variant after every round. */
export function modelsOfRounds<V extends { readonly name: string }>(
  variants: readonly V[],
  rounds: number,
): { readonly variant: V; readonly round: number; readonly name: string }[] {
  return Array.from({ length: rounds }, (_, n) => n + 1).flatMap((round) =>
    variants.map((variant) => ({ variant, round, name: roundName(variant.name, round) })),
  )
}

/** Whether a model's name is of a round after the first. */
export function isOfFurtherRound(name: string): boolean {
  return /\+\d+$/.test(name)
}
