import type { Template } from './names'

export const LICENSES = ['Apache-2.0', 'MIT', 'none'] as const

export type License = (typeof LICENSES)[number]

/** Versions that a package starts with; a test holds them to this repository's own. */
export const TOOLS = { typescript: '~7.0.2', '@types/node': '^22.20.5' } as const
const TFJS = { '@tensorflow/tfjs-core': '4.22.0' } as const
const ZOD = { zod: '^4.0.0' } as const

const WHAT: Readonly<Record<Template, string>> = {
  loss: 'An alignment loss for Plumbline',
  labeler: 'A labeler for Plumbline',
  sampler: 'A sampler for Plumbline',
  reader: 'A format of data files for Plumbline',
  backend: 'A backend for Plumbline',
}

/** The package.json of a new plugin. What a process should hold once is a peer, and there for the package's own tests as well. */
export function packageManifest(template: Template, name: string, license: License, plumbline: string): string {
  const peers = { '@plumbline/core': `^${plumbline}`, ...(template === 'loss' ? TFJS : {}), ...ZOD }
  const development = { '@plumbline/conformance': `^${plumbline}`, ...peers, ...TOOLS }
  const manifest = {
    name,
    version: '0.1.0',
    description: WHAT[template],
    keywords: ['plumbline', 'plumbline-plugin'],
    ...(license === 'none' ? { license: 'UNLICENSED' } : { license }),
    type: 'commonjs',
    main: 'build/src/index.js',
    types: 'build/src/index.d.ts',
    exports: {
      '.': { types: './build/src/index.d.ts', default: './build/src/index.js' },
      './package.json': './package.json',
    },
    files: ['build/src', 'src', 'conformance.json'],
    engines: { node: '>=20.19' },
    scripts: {
      build: 'tsc',
      // Named one by one: newer versions of Node would also take sources and declarations for tests.
      test: 'tsc && node --test build/test/*.test.js',
      prepack: 'tsc',
    },
    peerDependencies: peers,
    devDependencies: Object.fromEntries(Object.entries(development).sort(([a], [b]) => (a < b ? -1 : 1))),
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}
