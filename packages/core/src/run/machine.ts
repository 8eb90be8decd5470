import { availableParallelism, cpus, totalmem } from 'node:os'

/** What computed, as the log says it: nothing that names the machine or its user. */
export interface Machine {
  readonly cpu: string
  /** Cores that this process may use. */
  readonly cores: number
  readonly memoryGiB: number
  /** e.g. `linux x64`. */
  readonly system: string
  readonly node: string
  /** The backend and its device, e.g. `onnx (cpu)`. */
  readonly engine: string
}

export function thisMachine(engine: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    engine,
  }
}
