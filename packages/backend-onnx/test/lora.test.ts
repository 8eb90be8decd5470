import { OnnxBackend } from '../src'
import { testAgainstPeft } from './support/lora-peft'

testAgainstPeft(new OnnxBackend({ threads: 1 }), true)
