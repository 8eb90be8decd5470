// Loaded into every process (and worker thread) of a run that is to be killed: see kill.mjs.
//
// PLUMB_KILL is JSON:
//   note    where to write what was seen
//   record  true: note every call that changes files, one "operation path" per line, and kill nobody
//   call    kill at the n-th call that reads so (names of temporary files shortened), `when`: before, after, or torn (half written)
//   pattern the same for a regular expression over these texts
//   clock   performance.now() runs so many times faster: what happens "every 200 ms" then happens at other moments
'use strict'
const fs = require('node:fs')
const path = require('node:path')

const { note, record, call, pattern, nth = 1, when = 'before', clock = 1, root } = JSON.parse(process.env.PLUMB_KILL)
const matches = pattern === undefined ? (text) => text === call : (text) => new RegExp(pattern).test(text)
let seen = 0

function shown(file) {
  const name = typeof file === 'string' ? file : file instanceof URL ? file.pathname : Buffer.isBuffer(file) ? file.toString() : '?'
  // temporary names hold a process id or something random
  return path
    .relative(root, path.resolve(name))
    .replace(/(\.(json|jsonl|md|yaml|txt))\.[^./]+\.tmp$/, '$1.*.tmp')
    .replace(/\.lock\.[^/]+$/, '.lock.*')
}

function die(text, how) {
  fs.writeSync(fs.openSync(note, 'a'), `${how} ${text}\n`)
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000) // nothing more is done here
}

/** Whether the process is to die at this call. */
function reached(text) {
  if (record) fs.appendFileSync(note, `${text}\n`)
  else if ((call !== undefined || pattern !== undefined) && matches(text)) return ++seen === nth
  return false
}

function half(data) {
  const bytes =
    typeof data === 'string'
      ? Buffer.from(data)
      : ArrayBuffer.isView(data)
        ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
        : undefined
  return bytes?.subarray(0, Math.ceil(bytes.length / 2))
}

/** A method that kills before, after or in the middle of the call. `dataAt`: which argument is written. */
function lethal(owner, name, fileOf, dataAt, isSync = false) {
  const original = owner[name]
  const around = function (...args) {
    const text = `${name} ${fileOf(args)}`
    if (!reached(text)) return original.apply(this, args)
    if (when === 'before') die(text, 'before')
    const part = when === 'torn' && dataAt !== undefined ? half(args[dataAt]) : undefined
    const changed = part ? [...args.slice(0, dataAt), part] : args
    const end = (result) => (die(text, part ? 'torn' : 'after'), result)
    return isSync ? end(original.apply(this, changed)) : original.apply(this, changed).then(end)
  }
  owner[name] = around
}

const first = ([file]) => shown(file)
const second = ([, file]) => shown(file)
const p = fs.promises
for (const name of ['mkdir', 'rm', 'unlink', 'rmdir', 'truncate']) lethal(p, name, first)
for (const name of ['rename', 'link', 'symlink', 'copyFile']) lethal(p, name, second)
for (const name of ['writeFile', 'appendFile']) lethal(p, name, first, 1)
for (const name of ['writeFileSync', 'appendFileSync']) if (!record) lethal(fs, name, first, 1, true)
for (const name of ['mkdirSync', 'rmSync', 'unlinkSync']) lethal(fs, name, first, undefined, true)
for (const name of ['renameSync', 'linkSync']) lethal(fs, name, second, undefined, true)

const open = p.open
p.open = async function (file, flags = 'r', ...rest) {
  const text = `open ${shown(file)}`
  const writes = flags !== 'r'
  const now = writes && reached(text)
  if (now && when === 'before') die(text, 'before')
  const handle = await open.call(this, file, flags, ...rest)
  if (now) die(text, 'after')
  for (const name of ['write', 'writeFile', 'appendFile']) lethal(handle, name, () => shown(file), 0)
  for (const name of ['sync', 'datasync', 'truncate']) lethal(handle, name, () => shown(file))
  return handle
}

if (clock !== 1) {
  const now = performance.now.bind(performance)
  performance.now = () => now() * clock
}
