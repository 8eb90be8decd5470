import { createRequire } from 'node:module'
const { wordLevelTokenizerJson } = createRequire(import.meta.url)('@plumbline/transformer')

export const wordLevel = () => wordLevelTokenizerJson('How many clips ? Say hello . 1 2 3 72 = + #### a b c'.split(' '))
