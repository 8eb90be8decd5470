import type { RunReport } from '@plumbline/core'
import { renderReport } from '../../src/report/report'

const report: RunReport = {
  run: 'runs/quick',
  control: 'further-sft',
  design: 'alignment on fresh questions, not seen in stage 1',
  seconds: 241,
  samples: { sampled: 18000, right: 9200, unparsed: 12, 'pass@6': 0.8125 },
  notices: ['12 candidates were cut off at 32 tokens.'],
  rows: [
    {
      name: 'vft',
      questions: 1000,
      accuracy: 0.575,
      interval: [0.5441, 0.6053],
      versusControl: { difference: -0.021, standardError: 0.0065 },
      parseFailures: 0.003,
      assessmentAccuracy: 0.7471,
      positivePerplexity: 1.051,
      negativePerplexity: 1.1749,
    },
    { name: 'further-sft', questions: 1000, accuracy: 0.596, interval: [0.565, 0.626], parseFailures: 0 },
    {
      name: 'boundary',
      questions: 1000,
      accuracy: 0.631,
      interval: [0.6006, 0.6603],
      versusControl: { difference: 0.035, standardError: 0.006 },
      parseFailures: 0,
      assessmentAccuracy: 0.794,
      positivePerplexity: 1.052,
      negativePerplexity: 1.211,
    },
  ],
}

it('prints one aligned row per model, then the samples and the notices', () => {
  expect(renderReport(report)).toBe(
    `Greedy answers to 1000 test questions; differences in points, ± standard error. Design: alignment on fresh questions, not seen in stage 1.

                            95 %      against  assessment  perplexity  perplexity      no
model        accuracy   interval  further-sft    accuracy   positives   negatives  answer
-----------------------------------------------------------------------------------------
vft            57.5 %  54.4–60.5   −2.1 ± 0.7       0.747       1.051       1.175   0.3 %
further-sft    59.6 %  56.5–62.6      control           –           –           –   0.0 %
boundary       63.1 %  60.1–66.0   +3.5 ± 0.6       0.794       1.052       1.211   0.0 %

Samples: 18000 sampled, 9200 right, 12 unparsed, pass@6 81.3 %

! 12 candidates were cut off at 32 tokens.

4:01 in all; everything is in runs/quick`,
  )
})

it('says after which round a row is, and compares it with the control after as many', () => {
  const row = { questions: 10, accuracy: 0.5, parseFailures: 0 }
  const versusControl = { difference: 0.1, standardError: 0.05 }
  const lines = renderReport({
    ...report,
    furtherSamples: { 'boundary+2': { sampled: 900, right: 600, 'pass@6': 0.9 } },
    notices: [],
    control: 'control',
    rows: [
      { ...row, name: 'VFT', versusControl },
      { ...row, name: 'control', round: 1 },
      { ...row, name: 'control+2', round: 2 },
      { ...row, name: 'boundary+2', round: 2, versusControl },
    ],
  }).split('\n')
  expect(lines).toContain('Samples of boundary+2: 900 sampled, 600 right, pass@6 90.0 %')
  const cellsOf = (name: string) => lines.find((line) => line.startsWith(`${name} `))?.split(/ {2,}/)
  expect(lines.some((line) => /^model +round +accuracy/.test(line))).toBe(true)
  expect(cellsOf('VFT')?.slice(0, 5)).toEqual(['VFT', '–', '50.0 %', '–', '+10.0 ± 5.0'])
  expect(cellsOf('control')?.slice(0, 5)).toEqual(['control', '1', '50.0 %', '–', 'control'])
  expect(cellsOf('control+2')?.slice(0, 5)).toEqual(['control+2', '2', '50.0 %', '–', 'control'])
  expect(cellsOf('boundary+2')?.slice(0, 5)).toEqual(['boundary+2', '2', '50.0 %', '–', '+10.0 ± 5.0'])
})

it('prints no table where nothing was evaluated', () => {
  expect(renderReport({ run: 'runs/quick', control: 'VFT', design: '', rows: [], notices: [], seconds: 3 })).toBe(
    '0:03 in all; everything is in runs/quick',
  )
})

it('shows what is measured where no test question has an answer', () => {
  const rows = [
    { name: 'VFT', questions: 0, assessmentAccuracy: 0.5, positivePerplexity: 3, negativePerplexity: 3 },
    { name: 'dpo', questions: 0, assessmentAccuracy: 1, positivePerplexity: 2, negativePerplexity: 8 },
  ]
  expect(renderReport({ run: 'runs/quick', control: 'VFT', design: 'offline', rows, notices: [], seconds: 3 })).toBe(
    `No test question has an answer to compare with. Design: offline.

                     95 %  against  assessment  perplexity  perplexity      no
model  accuracy  interval      VFT    accuracy   positives   negatives  answer
------------------------------------------------------------------------------
VFT           –         –  control       0.500       3.000       3.000       –
dpo           –         –        –       1.000       2.000       8.000       –

0:03 in all; everything is in runs/quick`,
  )
})
