import { testBackend } from '@plumbline/conformance'
import { TinyModel } from '../../../backend-onnx/test/support/tiny'
import { TorchBackend } from '../../src'
import { describeTorch } from '../support/python'

describeTorch('the PyTorch backend', (python) => {
  const factory = () => new TorchBackend({ python, device: 'cpu', threads: 1 })
  const model = new TinyModel(factory())
  afterAll(() => model.dispose())

  testBackend({ name: 'torch on the CPU', factory, model: { kind: 'folder', path: model.path } })
})
