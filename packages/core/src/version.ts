import { packageVersion } from './plugins/package-manifest'

/** Core's own version: part of every artifact's key. */
export const CORE_VERSION = packageVersion(__filename) ?? ''
