import { isSoftware, parseDisplays, parseLines, systemAdapters } from '../../src/device/adapter'
import { DeviceLog } from '../../src/device/log'
import { requestedAdapter } from '../../src/device/open'
import { mayHaveGpu } from '../../src/device/presence'
import { runNode } from '../support/device'

describe('the device option', () => {
  it.each([
    [undefined, undefined],
    ['cpu', undefined],
    ['cuda', undefined],
    ['webgpux', undefined],
    ['webgpu', ''],
    ['webgpu:NVIDIA H100', 'NVIDIA H100'],
    ['webgpu:a:b', 'a:b'],
  ])('%s asks for %s', (device, part) => {
    expect(requestedAdapter(device)).toBe(part)
  })

  it('must name something after the colon', () => {
    expect(() => requestedAdapter('webgpu:')).toThrow(expect.objectContaining({ code: 'PLUMB_DEVICE_UNSUPPORTED' }))
  })
})

it.each([
  ['darwin', [], [], true],
  ['win32', [], [], true],
  ['linux', [], [], false],
  // a display without a GPU, as many virtual machines have it
  ['linux', ['card0'], [], false],
  ['linux', ['card0', 'renderD128'], [], true],
  ['linux', [], ['/dev/nvidiactl'], true],
  ['linux', [], ['/dev/dxg'], true],
] as const)('%s with %j in /dev/dri and %j may have a GPU: %s', (platform, rendering, files, expected) => {
  expect(mayHaveGpu({ platform, rendering, exists: (file) => (files as readonly string[]).includes(file) })).toBe(expected)
})

describe('adapters', () => {
  it.each(['llvmpipe (LLVM 15.0.6, 256 bits)', 'SwiftShader Device (Subzero)', 'Microsoft Basic Render Driver'])(
    '%s computes on the CPU',
    (name) => {
      expect(isSoftware(name)).toBe(true)
    },
  )

  it.each(['NVIDIA H100 80GB HBM3', 'AMD Radeon RX 7900 XTX (RADV NAVI31)', 'Intel(R) UHD Graphics 630 (CFL GT2)', 'Apple M3'])(
    '%s does not',
    (name) => {
      expect(isSoftware(name)).toBe(false)
    },
  )

  it('are read from the lists of macOS and Windows', async () => {
    expect(parseDisplays('{"SPDisplaysDataType":[{"_name":"kHW_AppleM3","sppci_model":"Apple M3"},{"_name":"x"}]}')).toEqual(['Apple M3'])
    expect(parseDisplays('{}')).toEqual([])
    expect(parseLines('NVIDIA GeForce RTX 4090\r\nMicrosoft Basic Display Adapter\r\n\r\n')).toEqual([
      'NVIDIA GeForce RTX 4090',
      'Microsoft Basic Display Adapter',
    ])
    expect(await systemAdapters('linux')).toEqual([])
  })
})

describe('the error stream', () => {
  const read = (...lines: string[]) => {
    const log = new DeviceLog()
    for (const line of lines) log.read(line)
    return log
  }

  it('names the adapter that was opened last, and the drivers in their order', () => {
    // As Vulkan loaders 1.3.239 and 1.4 write it.
    const log = read(
      'DRIVER:           Found ICD manifest file /usr/share/vulkan/icd.d/lvp_icd.x86_64.json, version "1.0.0"',
      '[Vulkan Loader] DRIVER:           Found ICD manifest file /etc/my drivers/nvidia_icd.json, version 1.0.1',
      'DRIVER:           Found ICD manifest file /usr/share/vulkan/icd.d/lvp_icd.x86_64.json, version "1.0.0"',
      'DRIVER:                  Using "Intel(R) UHD Graphics 630 (CFL GT2)" with driver: "/usr/lib64/libvulkan_intel.so"',
      '[Vulkan Loader] DRIVER:                  Using "NVIDIA H100 80GB HBM3" with driver: "libGLX_nvidia.so.0"',
    )
    expect(log).toMatchObject({
      adapter: 'NVIDIA H100 80GB HBM3',
      manifests: ['/usr/share/vulkan/icd.d/lvp_icd.x86_64.json', '/etc/my drivers/nvidia_icd.json'],
      error: undefined,
    })
  })

  it('tells a device out of memory from other errors, and keeps the first', () => {
    const prefix = '\x1b[1;31m2026-11-23 06:05:49.699 [E:onnxruntime:onnxruntime-node, webgpu_context.cc:171 operator()] '
    const memory = `${prefix}WebGPU device error(3): vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY`
    const other = `${prefix}WebGPU device error(2): Buffer is invalid.`
    expect(read(memory, other).error).toEqual({ outOfMemory: true, message: 'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY' })
    expect(read(other, memory).error).toEqual({ outOfMemory: false, message: 'Buffer is invalid.' })
  })
})

describe('a system without adapters', () => {
  it('is told so in a sentence', () => {
    const { stdout } = runNode(
      `const { OnnxBackend } = require(${JSON.stringify(require.resolve('../../dist/index.js'))})
       new OnnxBackend({ device: 'webgpu' }).probe().then((probe) => console.log(JSON.stringify(probe)))`,
      { VK_DRIVER_FILES: '/nowhere', VK_ICD_FILENAMES: '/nowhere' },
    )
    // Only Linux asks Vulkan.
    if (process.platform !== 'linux') return
    expect(JSON.parse(stdout)).toMatchObject({
      usable: false,
      detail: expect.stringMatching(/^WebGPU finds no adapter here \(.*\); expected/) as string,
    })
  })
})
