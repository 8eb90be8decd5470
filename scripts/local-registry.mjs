// A registry for the packages of this repository alone, over http on this machine: what `npm publish` would send of each, and its tarball.
// Users of it say so for our scope (`@plumbline:registry=http://127.0.0.1:PORT/`); everything else comes from where it always does.
//
//   node scripts/local-registry.mjs TARBALLS     # a file packed.json is there, of scripts that pack; says its port to the parent process
import { createReadStream, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'
import { root } from './packing.mjs'

const folder = process.argv[2]
const packed = JSON.parse(readFileSync(join(folder, 'packed.json'), 'utf8'))
const byName = new Map(packed.map((entry) => [entry.name, entry]))

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1)
  const [name, file] = path.split('/-/')
  const entry = byName.get(name)
  if (entry === undefined || (file !== undefined && file !== basename(entry.filename))) {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
  } else if (file !== undefined) {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    createReadStream(join(folder, entry.filename)).pipe(response)
  } else {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument(entry)))
  }
})

function packument({ name, version, filename, integrity, shasum }) {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name.split('/')[1], 'package.json'), 'utf8'))
  const tarball = `http://127.0.0.1:${server.address().port}/${name}/-/${basename(filename)}`
  const scripts = Object.keys(manifest.scripts ?? {})
  const hasInstallScript = scripts.some((script) => ['preinstall', 'install', 'postinstall'].includes(script))
  const published = { ...manifest, ...(hasInstallScript ? { hasInstallScript } : {}), dist: { tarball, integrity, shasum } }
  return { name, 'dist-tags': { latest: version }, versions: { [version]: published } }
}

server.listen(0, '127.0.0.1', () => process.send?.(server.address().port))
process.on('disconnect', () => process.exit())
