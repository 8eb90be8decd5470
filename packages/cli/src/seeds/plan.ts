import { UserError } from '../errors/user-error'
import { MOST_RUNS, parseSeeds, parseSweep, type Sweep } from './parse'

/** One value of each swept key. */
export type Setting = Readonly<Record<string, string>>

/** One of the runs: its seed, where seeds are asked for, and its setting. */
export interface PlannedRun {
  readonly seed?: number
  readonly setting: Setting
  /** What tells it from the others: `align.0.beta=0.05, seed 2`. */
  readonly title: string
  /** `path.to.key=value`, those of --set first. */
  readonly overrides: readonly string[]
}

export interface Plan {
  /** As they were given; empty without --seeds: the configuration's own is then the only one. */
  readonly seeds: readonly number[]
  readonly sweeps: readonly Sweep[]
  /** Settings in the order of their values, the last key changing fastest; of each all seeds. */
  readonly runs: readonly PlannedRun[]
}

export interface PlanOptions {
  readonly seeds?: string
  readonly sweep: readonly string[]
  readonly set: readonly string[]
}

/**
 * All combinations of seeds and swept values.
 * @throws UserError PLUMB_SEEDS, PLUMB_SWEEP
 */
export function planRuns({ seeds: text, sweep, set }: PlanOptions): Plan {
  const seeds = text === undefined ? [] : parseSeeds(text)
  const sweeps = sweep.map(parseSweep)
  const keys = sweeps.map(({ key }) => key)
  const refused = (why: string, where: string) => new UserError('PLUMB_SWEEP', why, where)
  for (const [k, key] of keys.entries()) {
    if (keys.indexOf(key) < k) throw refused(`${key} is swept twice; give all its values at once.`, `--sweep ${sweeps[k]?.text}`)
  }
  for (const override of set) {
    const key = override.slice(0, Math.max(0, override.indexOf('='))).trim()
    if (keys.includes(key)) throw refused(`${key} is set and swept; leave one of them out.`, `--set ${override}`)
    if (key === 'seed' && seeds.length > 0) {
      throw new UserError('PLUMB_SEEDS', '--seeds says which seeds there are; leave this one out.', `--set ${override}`)
    }
  }
  const total = sweeps.reduce((product, { values }) => product * values.length, Math.max(1, seeds.length))
  if (total > MOST_RUNS) throw refused(`These are ${total} runs, and at most ${MOST_RUNS} are made at once.`, '--sweep')
  const runs = settingsOf(sweeps).flatMap((setting): PlannedRun[] => {
    const chosen = Object.entries(setting).map(([key, value]) => `${key}=${value}`)
    if (seeds.length === 0) return [{ setting, title: chosen.join(', '), overrides: [...set, ...chosen] }]
    return seeds.map((seed) => ({
      seed,
      setting,
      title: [...chosen, `seed ${seed}`].join(', '),
      overrides: [...set, ...chosen, `seed=${seed}`],
    }))
  })
  return { seeds, sweeps, runs }
}

function settingsOf([first, ...others]: readonly Sweep[]): Setting[] {
  if (first === undefined) return [{}]
  const rest = settingsOf(others)
  return first.values.flatMap((value) => rest.map((setting) => ({ [first.key]: value, ...setting })))
}
