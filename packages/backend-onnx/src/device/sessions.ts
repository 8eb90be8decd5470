import type { DeviceSession } from './session'

/** A session for each kind that was asked for, made when it first is. */
export class DeviceSessions<Kind> {
  private readonly sessions = new Map<string, Promise<DeviceSession>>()

  /** @param keyOf the same for kinds that have the same graph */
  constructor(
    private readonly keyOf: (kind: Kind) => string,
    private readonly create: (kind: Kind) => Promise<DeviceSession>,
  ) {}

  of(kind: Kind): Promise<DeviceSession> {
    const key = this.keyOf(kind)
    const session = this.sessions.get(key) ?? this.create(kind)
    this.sessions.set(key, session)
    return session
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release()
    this.sessions.clear()
  }
}
