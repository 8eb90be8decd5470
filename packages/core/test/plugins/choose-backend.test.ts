import { chooseBackend, type Backend, type BackendProbe } from '@plumbline/core'

const backend = (name: string, probe: BackendProbe): Backend => ({
  name,
  probe: async () => probe,
  open: async () => {
    throw new Error('no model is opened to choose a backend')
  },
})
const missing = backend('tinker', { usable: false, device: 'none', detail: 'No server answers.' })
const cpu = backend('onnx', { usable: true, device: 'CPU, 2 threads', detail: 'onnxruntime-node.' })
const otherCpu = backend('gpu', { usable: true, device: 'CPU (tfjs-node 4.22.0)', detail: 'TensorFlow.js.', accelerated: false })
const cuda = backend('gpu', { usable: true, device: 'CUDA (tfjs-node-gpu 4.22.0)', detail: 'TensorFlow.js.', accelerated: true })

it('prefers a GPU to the order, and says why not the others', async () => {
  const chosen = await chooseBackend([missing, cpu, cuda])
  expect(chosen.backend).toBe(cuda)
  expect(chosen.notice).toBe(
    'Backend gpu on CUDA (tfjs-node-gpu 4.22.0); not tinker: No server answers; not onnx: would run on CPU, 2 threads',
  )
})

it('keeps to the order where there is no GPU', async () => {
  expect((await chooseBackend([missing, cpu, otherCpu])).backend).toBe(cpu)
})

it('says what else can be asked for', async () => {
  const alternative = 'a GPU may be here: backend: { name: onnx, device: webgpu } takes it'
  const hinting = backend('onnx', { usable: true, device: 'CPU, 2 threads', detail: 'onnxruntime-node.', alternative })
  expect((await chooseBackend([hinting, missing])).notice).toBe(
    `Backend onnx on CPU, 2 threads; not tinker: No server answers; ${alternative}`,
  )
  // of what was not taken it is none
  expect((await chooseBackend([hinting, cuda])).notice).not.toContain('webgpu')
})

it('says what each is missing where none can run', async () => {
  await expect(chooseBackend([missing])).rejects.toMatchObject({
    code: 'PLUMB_BACKEND_UNUSABLE',
    message: 'No backend can run here (tinker: No server answers).',
  })
  await expect(chooseBackend([])).rejects.toMatchObject({ message: 'No backend can run here (none is registered).' })
})
