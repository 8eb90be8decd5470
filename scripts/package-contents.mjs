/** What a package must have in its tarball and its package.json. */
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parse } from 'yaml'
import { root } from './packing.mjs'

const FIELDS = ['name', 'version', 'description', 'keywords', 'license', 'main', 'types', 'exports', 'files', 'engines']
const read = (...path) => readFileSync(join(...path), 'utf8')

/** What is wrong with a package, one sentence each. `files`: the paths in its tarball, relative to the package. */
export function checkPackage(folder, files) {
  const problems = []
  const text = read(folder, 'package.json')
  let manifest
  try {
    manifest = parse(text) // JSON is YAML, and YAML's reader refuses a key that stands twice
  } catch (error) {
    return [`package.json: ${error.message.split('\n')[0]}`]
  }
  const inside = new Set(files)
  for (const field of FIELDS) if (manifest[field] === undefined) problems.push(`package.json has no "${field}"`)
  if (manifest.publishConfig?.access !== 'public') problems.push('package.json has no publishConfig.access "public"')
  const project = JSON.parse(read(root, 'package.json'))
  if (manifest.license !== project.license) problems.push(`the license is ${manifest.license}, the project's is ${project.license}`)
  if (manifest.engines?.node !== project.engines.node) problems.push(`engines.node is not the project's, ${project.engines.node}`)
  // The project has no public address yet; once its own package.json names one, every package must.
  for (const field of ['repository', 'homepage', 'bugs'])
    if ((project[field] === undefined) !== (manifest[field] === undefined))
      problems.push(`"${field}" stands in one of package and project only`)

  for (const name of ['LICENSE', 'README.md', 'package.json']) if (!inside.has(name)) problems.push(`${name} is not in the tarball`)
  if (existsSync(join(folder, 'LICENSE')) && read(folder, 'LICENSE') !== read(root, 'LICENSE'))
    problems.push("LICENSE is not the project's")
  for (const target of targetsOf(manifest.exports))
    if (!inside.has(target)) problems.push(`exports names ${target}, which is not in the tarball`)
  if (manifest.exports?.['./package.json'] !== './package.json') problems.push('exports has no "./package.json"')
  problems.push(...checkFiles(folder, inside), ...checkDependencies(manifest), ...checkWrapper(folder, manifest))
  return problems
}

function targetsOf(exports) {
  if (typeof exports === 'string') return [posix.normalize(exports)]
  return Object.values(exports ?? {}).flatMap(targetsOf)
}

function checkFiles(folder, inside) {
  const problems = []
  for (const file of inside) {
    // What plumb create writes has tests of its own.
    const isTemplate = file.startsWith('templates/')
    if (/(^|\/)node_modules\/|\.tsbuildinfo$|\.tgz$/.test(file) || (!isTemplate && /(^|\/)test\//.test(file)))
      problems.push(`${file} has no place in the tarball`)
    const built = /^dist\/(.*)\.js$/.exec(file)
    if (built && !inside.has(`src/${built[1]}.ts`)) problems.push(`${file} has no source: remove dist and build again`)
    if (file.endsWith('.md'))
      for (const link of brokenLinks(folder, file, inside)) problems.push(`${file} links to ${link}, which is not in the tarball`)
  }
  return problems
}

/** Relative links of a Markdown file that lead to nothing in the package. */
function brokenLinks(folder, file, inside) {
  const prose = read(folder, file)
    .replaceAll(/^```[^]*?^```/gm, '')
    .replaceAll(/`[^`]*`/g, '')
  const links = [...prose.matchAll(/\]\(([^)#\s]+)/g)].map(([, link]) => link).filter((link) => !/^[a-z]+:/.test(link))
  return links.filter((link) => !inside.has(posix.join(posix.dirname(file), link)))
}

/** Peers are for what a process holds once; whatever is a peer is there for the package's own tests as well. */
function checkDependencies({ name, dependencies = {}, peerDependencies = {}, devDependencies = {} }) {
  const problems = []
  const brings = name === '@plumbline/core' || name === '@plumbline/cli'
  for (const shared of ['@plumbline/core', '@tensorflow/tfjs-core', 'zod'])
    if (!brings && shared in dependencies) problems.push(`${shared} is a dependency; it must be a peer, so that a process holds one`)
  for (const peer of Object.keys(peerDependencies))
    if (!peer.includes('tfjs-node') && !(peer in devDependencies))
      problems.push(`the peer ${peer} is no devDependency, so its tests would lack it`)
  return problems
}

/** The ES module of a plugin is three lines that hand on the CommonJS module; a built copy would be a second instance. */
function checkWrapper(folder, { exports }) {
  if (exports?.['.']?.import === undefined) return []
  const [module, types] = [read(folder, 'index.mjs'), read(folder, 'index.d.mts')]
  const expected = `import cjs from './dist/index.js'\n\nexport * from './dist/index.js'\nexport default cjs.default\n`
  const expectedTypes = `import type { Plugin } from '@plumbline/core'\n\nexport * from './dist/index.js'\ndeclare const plugin: Plugin\nexport default plugin\n`
  return [
    ...(module === expected ? [] : ['index.mjs is not the wrapper']),
    ...(types === expectedTypes ? [] : ['index.d.mts is not the wrapper']),
  ]
}
