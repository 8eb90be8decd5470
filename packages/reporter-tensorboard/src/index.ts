import { definePlugin } from '@plumbline/core'
import { TensorBoardReporter, tensorBoardOptions } from './TensorBoardReporter'

export { crc32c, maskedCrc32c } from './crc32c'
export { decodeEvent, encodeEvent, versionEvent, type ScalarEvent } from './event'
export { EventWriter } from './EventWriter'
export { frame, recordsOf } from './records'
export * from './TensorBoardReporter'

export default definePlugin({
  name: '@plumbline/reporter-tensorboard',
  apiVersion: 1,
  register: (registry) =>
    registry.reporter('tensorboard', { options: tensorBoardOptions, create: (options) => new TensorBoardReporter(options) }),
})
