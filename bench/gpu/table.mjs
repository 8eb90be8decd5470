// The rows of bench/gpu.mjs as a Markdown page.

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
const timedRuns = ({ runs }) => runs.filter(({ warmup }) => !warmup)
export const secondsOf = (row) => median(timedRuns(row).map(({ seconds }) => seconds))
const rateOf = (row) => {
  const runs = timedRuns(row)
  return runs.reduce((sum, { tokens }) => sum + tokens, 0) / runs.reduce((sum, { seconds }) => sum + seconds, 0)
}
const GIB = 2 ** 30
/** Relative, in float32. */
const LOSS_TOLERANCE = 1e-3
const memory = (row) => (row?.peakBytes === undefined ? '–' : (row.peakBytes / GIB).toFixed(row.peakBytes < GIB ? 2 : 1))
const ratio = (value) => (Number.isFinite(value) ? `**${value.toFixed(2)}**` : '–')

/** What a cell says that has no figure: why. */
const cell = (row, show) => (row === undefined ? '–' : row.error !== undefined ? row.error.replaceAll('|', '/') : show(row))

/** Largest relative difference of the losses: of every step, or, where adapters start from different draws, of the first. Undefined where there are not both. */
export function lossDifference(ours, theirs, mode) {
  // One that was started again has weights that have taken other steps.
  if (!ours?.runs || !theirs?.runs || ours.isRestarted || theirs.isRestarted) return undefined
  const steps = mode === 'lora' ? 1 : Math.min(ours.runs.length, theirs.runs.length)
  const differences = Array.from(
    { length: steps },
    (_, i) => Math.abs(ours.runs[i].loss - theirs.runs[i].loss) / Math.abs(theirs.runs[i].loss),
  )
  return Math.max(...differences)
}

/** Float32 losses of either of our engines that are not the padded step's: what is wrong is not worth timing. */
export function disagreements(rows) {
  const theirs = (row) => rows.find(({ side, key, dtype }) => side === 'padded' && key === row.key && dtype === 'f32')
  return rows
    .filter(({ side, dtype, kind }) => side !== 'padded' && dtype === 'f32' && kind === 'step')
    .map((row) => ({ name: `${row.side} ${row.key}`, difference: lossDifference(row, theirs(row), row.mode) }))
    .filter(({ difference }) => difference !== undefined && !(difference <= LOSS_TOLERANCE))
    .map(({ name, difference }) => `the losses of ${name} differ by ${difference.toExponential(1)} from the padded step's`)
}

const NUMBERS = { bf16: 'bfloat16', f32: 'float32' }

/** Steps of this engine with other kernels and with compiled layers, beside its usual ones. */
function variantLines(rows, find) {
  const variants = rows.filter(({ side }) => side.startsWith('torch:'))
  if (variants.length === 0) return []
  const lines = [
    '',
    '## Other forms of a step',
    '',
    '| form | shape | questions | prompts | numbers | s | `torch`, s | × | losses differ by | engine |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  for (const row of variants) {
    const usual = find(row.key, 'torch', row.dtype)
    const isPair = row.runs && usual?.runs
    lines.push(
      `| ${[
        row.side.slice('torch: '.length),
        row.shape,
        row.questions,
        row.prompts,
        NUMBERS[row.dtype],
        cell(row, (each) => secondsOf(each).toFixed(3)),
        cell(usual, (each) => secondsOf(each).toFixed(3)),
        isPair ? ratio(secondsOf(usual) / secondsOf(row)) : '–',
        lossDifference(row, usual, row.mode)?.toExponential(0) ?? '–',
        row.engine ?? '–',
      ].join(' | ')} |`,
    )
  }
  return lines
}

/** @param rows `{ side, dtype, key, shape, mode, questions, prompts, kind, runs, peakBytes }`, or with `error` in the place of runs */
export function page(rows, { date, device, versions, note, leftOut }) {
  const find = (key, side, dtype) => rows.find((row) => row.key === key && row.side === side && row.dtype === dtype)
  const keys = (kind) => [...new Map(rows.filter((row) => row.kind === kind).map((row) => [row.key, row])).values()]
  const lines = [
    `Measured ${date} on ${device ?? 'an unknown device'}, PyTorch ${versions?.torch ?? '?'}, transformers ${versions?.transformers ?? '?'}, Node ${process.version}. \`node bench/gpu.mjs\` wrote this; [what is compared](../README.md#on-a-gpu).`,
    ...(note ? [note] : []),
    '',
    '## A step',
    '',
    '| shape | trained | questions | prompts | numbers | `torch`, s | padded, s | × | tokens, padded ÷ ours | GiB, ours / padded | losses differ by | `onnx`, s |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
  ]
  for (const { key, shape, mode, questions, prompts } of keys('step')) {
    for (const dtype of ['bf16', 'f32']) {
      const [ours, theirs] = [find(key, 'torch', dtype), find(key, 'padded', dtype)]
      const onnx = dtype === 'f32' ? find(key, 'onnx', 'f32') : undefined
      if (!ours && !theirs && !onnx) continue
      const isPair = ours?.runs && theirs?.runs
      lines.push(
        `| ${[
          shape,
          mode === 'lora' ? 'LoRA' : 'all',
          questions,
          prompts,
          NUMBERS[dtype],
          cell(ours, (row) => secondsOf(row).toFixed(3)),
          cell(theirs, (row) => secondsOf(row).toFixed(3)),
          isPair ? ratio(secondsOf(theirs) / secondsOf(ours)) : '–',
          isPair ? (theirs.runs[0].tokens / ours.runs[0].tokens).toFixed(2) : '–',
          `${memory(ours)} / ${memory(theirs)}`,
          lossDifference(ours ?? onnx, theirs, mode)?.toExponential(0) ?? '–',
          cell(onnx, (row) => secondsOf(row).toFixed(3)),
        ].join(' | ')} |`,
      )
    }
  }
  lines.push(
    '',
    '## Sampling',
    '',
    '| shape | candidates | `torch`, tokens/s | `generate`, tokens/s | × | GiB, ours / `generate` | `onnx`, tokens/s |',
    '|---|---|---|---|---|---|---|',
  )
  for (const { key, shape, questions, k } of keys('sample')) {
    const [ours, theirs, onnx] = [find(key, 'torch', 'bf16'), find(key, 'padded', 'bf16'), find(key, 'onnx', 'f32')]
    const isPair = ours?.runs && theirs?.runs
    const show = (row) => cell(row, (each) => rateOf(each).toFixed(0))
    lines.push(
      `| ${[shape, questions * k, show(ours), show(theirs), isPair ? ratio(rateOf(ours) / rateOf(theirs)) : '–', `${memory(ours)} / ${memory(theirs)}`, show(onnx)].join(' | ')} |`,
    )
  }
  lines.push(...variantLines(rows, find))
  const wrong = disagreements(rows)
  if (wrong.length > 0) lines.push('', `**Not to be trusted:** ${wrong.join('; ')}.`)
  if (leftOut.length > 0) lines.push('', `Not measured: ${leftOut.join('; ')}.`)
  return `${lines.join('\n')}\n`
}
