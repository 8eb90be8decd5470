// Locks and unlocks folders as its parent says, one command a line: `lock FOLDER`, `unlock`, `contend FOLDER MILLISECONDS IGNORED-PID`,
// `die STEPS`: the process kills itself in place of the step after so many calls of the file system.
const promises = require('node:fs/promises')
const { openSync, closeSync, readdirSync, unlinkSync } = require('node:fs')
const { createInterface } = require('node:readline')
const { join } = require('node:path')
const { lockFolder } = require('../../dist/run/lock.js')

let unlock
const say = (word) => process.stdout.write(`${word}\n`)

/** Takes and gives back the lock as often as it can; says how often, and `TWO` when another than the ignored process is inside too. */
async function contend(folder, milliseconds, ignored) {
  const own = `inside-${process.pid}`
  const until = performance.now() + milliseconds
  let times = 0
  while (performance.now() < until) {
    let give
    try {
      give = await lockFolder(folder)
    } catch (error) {
      if (error.code !== 'PLUMB_RUN_LOCKED') throw error
      continue
    }
    closeSync(openSync(join(folder, own), 'wx'))
    await new Promise((resolve) => setTimeout(resolve, 0))
    const others = readdirSync(folder).filter((name) => name.startsWith('inside-') && name !== own && name !== `inside-${ignored}`)
    if (others.length > 0) return 'TWO'
    unlinkSync(join(folder, own))
    await give()
    times++
  }
  return `times ${times}`
}

function dieAfter(steps) {
  for (const name of ['link', 'open', 'readdir', 'rename', 'rm', 'mkdir']) {
    const real = promises[name]
    promises[name] = (...args) => {
      if (steps-- <= 0) process.kill(process.pid, 'SIGKILL')
      return real(...args)
    }
  }
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [command, folder, milliseconds, ignored] = line.split(' ')
  try {
    if (command === 'lock') {
      unlock = await lockFolder(folder)
      say('got')
    } else if (command === 'die') {
      dieAfter(Number(folder))
      say('will')
    } else if (command === 'unlock') {
      await unlock?.()
      unlock = undefined
      say('free')
    } else say(await contend(folder, Number(milliseconds), ignored))
  } catch (error) {
    say(error.code ?? error.message)
  }
})
say('ready')
