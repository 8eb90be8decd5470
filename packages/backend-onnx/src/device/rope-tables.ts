import type { ModelConfig } from '@plumbline/transformer'
import { RopeTables } from '../runtime/rope-tables'
import type { HostTensor } from '../runtime/session'
import type { DeviceMemory, DeviceTensor } from './memory'

/** {@link RopeTables} on the device. One call at a time. */
export class DeviceRopeTables {
  private readonly host: RopeTables
  private source: Readonly<Record<string, HostTensor>> | undefined
  private readonly held = new Map<string, DeviceTensor>()

  constructor(
    config: ModelConfig,
    private readonly memory: DeviceMemory,
  ) {
    this.host = new RopeTables(config)
  }

  async upTo(positions: number): Promise<ReadonlyMap<string, DeviceTensor>> {
    const tables = this.host.upTo(positions)
    if (tables === this.source) return this.held
    this.release()
    for (const [name, table] of Object.entries(tables)) this.held.set(name, await this.memory.upload(table))
    this.source = tables
    return this.held
  }

  release(): void {
    for (const table of this.held.values()) table.release()
    this.held.clear()
    this.source = undefined
  }
}
