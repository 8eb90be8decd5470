#!/usr/bin/env node
'use strict'
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`PLUMB_NODE_VERSION  Plumbline needs Node 20.19 or newer; this is ${process.version}.`)
  process.exit(2)
}
// Node 22 and later can keep compiled code from one start to the next.
require('node:module').enableCompileCache?.()
void require('../dist/main.js').main()
