import { gzipSync } from 'node:zlib'
import { random } from '../../src/util/random'
import { isPlumbError } from '../../src/errors'
