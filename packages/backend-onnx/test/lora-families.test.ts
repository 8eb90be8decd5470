import { OnnxBackend } from '../src'
import { testFamilyFactors } from './support/lora-families'

testFamilyFactors(new OnnxBackend({ threads: 1 }))
