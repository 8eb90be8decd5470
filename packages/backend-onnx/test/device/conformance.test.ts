import { testBackend } from '@plumbline/conformance'
import { OnnxBackend } from '../../src'
import { describeOnGpu, device } from '../support/device'
import { TinyModel } from '../support/tiny'

// Every engine compiles its shaders anew, which takes a software adapter seconds.
jest.setTimeout(300_000)

describeOnGpu('the backend suite', () => {
  const model = new TinyModel()
  afterAll(() => model.dispose())

  testBackend({
    name: 'the ONNX backend on WebGPU',
    factory: () => new OnnxBackend({ device }),
    model: { kind: 'folder', path: model.path },
  })
})
