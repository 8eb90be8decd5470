// jest gives tests a copy of the environment, and the runtime reads the process's: its telemetry is turned off here for all of them.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** Tests run on the TypeScript sources; only worker threads and the spawned `plumb` run what `tsc -b` built. */
module.exports = {
  testMatch: ['<rootDir>/packages/*/test/**/*.test.ts', '<rootDir>/examples/*/test/**/*.test.ts', '<rootDir>/scripts/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$|/node_modules/(hyparquet|hyparquet-compressors|hysnappy|linkedom)/.+\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  moduleNameMapper: {
    '^@plumbline/([^/]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^@plumbline/core/base$': '<rootDir>/packages/core/src/base.ts',
    // Packages of ES modules alone, which jest resolves and loads as CommonJS.
    '^(hyparquet|hyparquet-compressors|hysnappy)$': '<rootDir>/node_modules/$1',
    // The same of the packages that draw charts, each in the one file that it brings.
    '^@observablehq/plot$': '<rootDir>/node_modules/@observablehq/plot/dist/plot.umd.min.js',
    '^d3(@[\\d.]+/dist/d3.min.js)?$': '<rootDir>/node_modules/d3/dist/d3.min.js',
    '^linkedom$': '<rootDir>/node_modules/linkedom/worker.js',
  },
  transformIgnorePatterns: ['/node_modules/(?!(hyparquet|hyparquet-compressors|hysnappy|linkedom)/)'],
  // A test file is a context of its own, where every global name is asked for through the context's sandbox: arithmetic in loops is several times slower.
  // These are handed to each module as arguments instead. None of them is ever replaced by a test, as timers and Date may be.
  sandboxInjectedGlobals: [
    ...[
      'Math',
      'Number',
      'BigInt',
      'String',
      'Symbol',
      'Object',
      'Array',
      'Map',
      'Set',
      'WeakMap',
      'Promise',
      'Error',
      'JSON',
      'process',
      'Buffer',
    ],
    ...['ArrayBuffer', 'DataView', 'Int8Array', 'Uint8Array', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array'],
    ...['Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
  ],
  // Small test files spent most of their time on compiling what they import.
  runtime: '<rootDir>/scripts/jest-runtime.cjs',
  testSequencer: '<rootDir>/scripts/jest-sequencer.cjs',
  maxWorkers: 2,
  testTimeout: 60_000,
}
