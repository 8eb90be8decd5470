/** Works on up to `width` items at a time, in their order. The first failure stops what has not begun, and is thrown once the rest has ended. */
export async function concurrently<T>(items: readonly T[], width: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0
  let failed = false
  const lane = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const index = next++
      try {
        await work(items[index] as T, index)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane))
  const failure = lanes.find((outcome) => outcome.status === 'rejected')
  if (failure) throw failure.reason
}
