import { PassThrough } from 'node:stream'
import { Channel, PROTOCOL, type ChannelTimes, type Peer } from '../src/process/channel'
import { encodeFrame, FrameReader, type Frame } from '../src/process/frames'

/** The other side, played by the test. */
class FakePeer implements Peer {
  readonly input = new PassThrough()
  readonly output = new PassThrough()
  readonly errors = new PassThrough()
  readonly exited: Promise<string>
  end!: (how: string) => void
  isKilled = false
  isHeld = false
  private readonly reader = new FrameReader()
  private readonly came: Frame[] = []

  constructor() {
    this.exited = new Promise((resolve) => (this.end = resolve))
    this.input.on('data', (piece: Uint8Array) => this.came.push(...this.reader.push(piece)))
  }

  kill(): void {
    this.isKilled = true
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
  }

  say(header: Frame['header'], arrays: Frame['arrays'] = []): void {
    for (const part of encodeFrame({ header, arrays })) this.output.write(part)
  }

  greet(): void {
    this.say({ hello: 'plumbline-torch', protocol: PROTOCOL })
  }

  async next(): Promise<Frame> {
    while (this.came.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return this.came.shift()!
  }
}

function open(times?: ChannelTimes) {
  const peer = new FakePeer()
  return { peer, channel: new Channel(peer, 'python3 -m plumbline_torch', times) }
}

const describeCall = (channel: Channel) => channel.call('describe', { device: 'cpu' })

it('answers find their calls in any order, heartbeats between them, and the process is held only while something is waited for', async () => {
  const { peer, channel } = open()
  peer.greet()
  const [first, second] = [describeCall(channel), describeCall(channel)]
  const [a, b] = [await peer.next(), await peer.next()]
  expect(a.header).toMatchObject({ method: 'describe', params: { device: 'cpu' } })
  expect(peer.isHeld).toBe(true)
  peer.say({ beat: true })
  peer.say({ id: b.header.id, result: 'second' }, [Float32Array.of(2)])
  peer.say({ id: a.header.id, result: 'first' })
  expect(await first).toEqual({ result: 'first', arrays: [] })
  expect(await second).toEqual({ result: 'second', arrays: [Float32Array.of(2)] })
  expect(peer.isHeld).toBe(false)
})

it('an error of the other side keeps its code and place, and its traceback as the cause', async () => {
  const { peer, channel } = open()
  peer.greet()
  const call = describeCall(channel)
  const { header } = await peer.next()
  peer.say({ id: header.id, error: { code: 'PLUMB_OUT_OF_MEMORY', message: 'Too much.', where: 'backend', traceback: 'Traceback: …' } })
  await expect(call).rejects.toMatchObject({
    code: 'PLUMB_OUT_OF_MEMORY',
    message: 'Too much.',
    where: 'backend',
    cause: { stack: 'Traceback: …' },
  })
  expect(channel.isAlive).toBe(true)
})

it('the end of the process is told to all that wait and all that come, with how it ended and what it said last', async () => {
  const { peer, channel } = open()
  peer.greet()
  const calls = [describeCall(channel), describeCall(channel)]
  await peer.next()
  peer.errors.write('a warning\nRuntimeError: the last words\n')
  await new Promise((resolve) => setImmediate(resolve))
  peer.end('SIGKILL')
  for (const call of [...calls, peer.exited.then(() => describeCall(channel))]) {
    const error = await call.catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({ code: 'PLUMB_TORCH_EXITED', where: 'python3 -m plumbline_torch' })
    expect((error as Error).message).toMatch(/ended with SIGKILL.*memory[^]*RuntimeError: the last words/)
  }
  expect(channel.isAlive).toBe(false)
})

it('another version of the protocol is refused', async () => {
  const { peer, channel } = open()
  peer.say({ hello: 'plumbline-torch', protocol: PROTOCOL + 1 })
  await expect(describeCall(channel)).rejects.toMatchObject({ code: 'PLUMB_TORCH_PROTOCOL' })
  expect(peer.isKilled).toBe(true)
})

it('whatever else writes to the output is refused', async () => {
  const { peer, channel } = open()
  peer.output.write('Linux gpu1 6.8 … Last login: yesterday\n')
  await expect(describeCall(channel)).rejects.toMatchObject({ code: 'PLUMB_TORCH_PROTOCOL' })
  expect(peer.isKilled).toBe(true)
})

it.each([
  ['before the first frame', false],
  ['while a call is served', true],
])('silence %s ends the process', async (_, greets) => {
  const { peer, channel } = open({ start: 60, silence: 60 })
  if (greets) peer.greet()
  await expect(describeCall(channel)).rejects.toMatchObject({ code: 'PLUMB_TORCH_SILENT' })
  expect(peer.isKilled).toBe(true)
})

it('a heartbeat is a sign of life', async () => {
  const { peer, channel } = open({ start: 200, silence: 200 })
  peer.greet()
  const call = describeCall(channel)
  const { header } = await peer.next()
  for (let beat = 0; beat < 10; beat++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    peer.say({ beat: true })
  }
  peer.say({ id: header.id, result: 'late' })
  expect((await call).result).toBe('late')
})
