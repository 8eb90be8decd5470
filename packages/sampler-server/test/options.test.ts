import { openaiOptions, vllmOptions } from '../src'

const said = (schema: typeof openaiOptions | typeof vllmOptions, options: object): string[] =>
  schema.safeParse(options).error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []

const url = 'http://gpu1:8000/v1'

it.each([
  [openaiOptions, { url: 'gpu1:8000' }, 'url must be an address that starts with http:// or https://'],
  [openaiOptions, { url: 'http://me:secret@gpu1' }, 'url must not hold a user or a password; apiKey is for that'],
  [openaiOptions, { url, sameWeights: false }, 'model must name the model where sameWeights is false: the samples are known by it'],
  [
    vllmOptions,
    { url, command: ['vllm', '{model}', '{port}'] },
    'url stands for a server that runs, and command and args for one that is started; give one of them',
  ],
  [vllmOptions, { model: 'x' }, 'model and sameWeights are for a server that runs (url): one that is started serves the stage-1 model'],
  [vllmOptions, { command: ['vllm', 'serve'] }, 'command must hold {model} and {port}'],
] as const)('options that contradict themselves or lack something are refused: %#', (schema, options, message) => {
  expect(said(schema, options)).toEqual([message])
})

it('a server needs its address, and one that is started needs nothing', () => {
  expect(said(openaiOptions, {})[0]).toMatch(/^url /)
  expect(said(vllmOptions, {})).toEqual([])
  expect(said(openaiOptions, { url })).toEqual([])
})
