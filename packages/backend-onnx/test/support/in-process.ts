import type { ModelSource } from '@plumbline/core'
import { loadTokenizer, tokenizerPath } from '@plumbline/transformer'
import { Engine } from '../../src/worker/engine'

/** An engine with a model in the test's own process, where `DeviceSession.provider` says what computes for `webgpu`. */
export async function engineWith(source: ModelSource, device: 'cpu' | 'webgpu'): Promise<Engine> {
  const engine = new Engine()
  const { vocabularySize, bosId, eosId, padId } = await loadTokenizer(tokenizerPath(source))
  await engine.open(source, { vocabularySize, bosId, eosId, padId }, { device, threads: 1 })
  return engine
}
