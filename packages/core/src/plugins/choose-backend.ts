import { PlumbError } from '../errors'
import type { Backend, BackendProbe } from '../seams/policy'

export interface ChosenBackend {
  readonly backend: Backend
  readonly probe: BackendProbe
  /** One line: what was taken, why not the others, and what else can be asked for. */
  readonly notice: string
}

/**
 * Takes the first candidate that runs on a GPU here, else the first that runs at all.
 * @throws PlumbError PLUMB_BACKEND_UNUSABLE when none can, with what each is missing.
 */
export async function chooseBackend(candidates: readonly Backend[]): Promise<ChosenBackend> {
  const probed = await Promise.all(candidates.map(async (backend) => ({ backend, probe: await backend.probe() })))
  const usable = probed.filter(({ probe }) => probe.usable)
  const chosen = usable.find(({ probe }) => probe.accelerated) ?? usable[0]
  const others = probed.filter((entry) => entry !== chosen).map(({ backend, probe }) => `${backend.name}: ${reason(probe)}`)
  if (chosen === undefined) {
    throw new PlumbError('PLUMB_BACKEND_UNUSABLE', `No backend can run here (${others.join('; ') || 'none is registered'}).`)
  }
  const { backend, probe } = chosen
  const why = [...others.map((other) => `not ${other}`), ...(probe.alternative === undefined ? [] : [probe.alternative])]
  return { backend, probe, notice: [`Backend ${backend.name} on ${probe.device}`, ...why].join('; ') }
}

function reason({ usable, device, detail }: BackendProbe): string {
  return usable ? `would run on ${device}` : detail.replace(/\.$/, '')
}
