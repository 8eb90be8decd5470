// The bench's figures as a Markdown table.

const fixed = (value, digits) => (value === undefined ? '–' : value.toFixed(digits))
const mark = (reached) => (reached === undefined ? '' : reached ? ' ✓' : ' ✗')

/** Says so where too few steps were taken alone: what was compared is then two disturbed clocks, and the processor's time beside them. */
const besideWork = ({ othersCores, cpuSeconds }) =>
  othersCores === undefined
    ? ''
    : `, beside other work (${fixed(othersCores, 1)} cores); processor time ${fixed(cpuSeconds.ours, 1)} / ${fixed(cpuSeconds.theirs, 1)} s (${fixed(cpuSeconds.theirs / cpuSeconds.ours, 2)})`

/** How it was measured where that was otherwise. */
function asides(results) {
  const threads = results.some((result) => result.threads === '1')
    ? ['One thread a side; where others used the machine, × is of processor times.']
    : []
  return [...threads, ...new Set(results.flatMap(({ note }) => note ?? []))]
}

/** @param results what run.mjs writes, one per job */
export function table(results, { date, machine, versions, gemm }) {
  const lines = [
    `Measured ${date} on ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, PyTorch ${versions.torch}, transformers ${versions.transformers}, TRL ${versions.trl}, PEFT ${versions.peft}, float32.`,
    '`npm run bench` wrote this. One process a figure, ours and the peer alternating, medians; × is the peer’s time over ours (ours over the peer’s, in tokens per second). Steps that either side took beside other work (over 0.1 cores) are left out on both, where at least half of them remain.',
    ...asides(results),
    '',
    '| job | ours | peer | | × | aimed at | peak MiB, ours / peer | losses differ by | steps compared | tokens computed, ours / needed / padded |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  for (const { job, ours, peers, tokens } of results) {
    for (const peer of peers) {
      const unit = job.kind === 'align' ? 's/step' : 'tokens/s'
      const [mine, theirs] =
        job.kind === 'align'
          ? [fixed(peer.paired.ours, 3), fixed(peer.paired.theirs, 3)]
          : [fixed(ours.tokensPerSecond, 0), fixed(peer.tokensPerSecond, 0)]
      const steps = peer.paired ? `${peer.paired.used} of ${peer.paired.of}${besideWork(peer.paired)}` : '–'
      const memory = ours.peakRssMiB / peer.peakRssMiB
      lines.push(
        `| ${[
          job.name,
          `${mine} ${unit}`,
          `${theirs} ${unit}`,
          peer.name,
          `**${fixed(peer.ratio, 2)}**${mark(peer.target && peer.ratio >= peer.target)}`,
          peer.target ? `${peer.target}` : '–',
          `${fixed(ours.peakRssMiB, 0)} / ${fixed(peer.peakRssMiB, 0)} (${Math.round(100 * memory)} %${mark(job.memoryTarget && memory <= job.memoryTarget)})`,
          peer.lossDifference === undefined ? '–' : peer.lossDifference.toExponential(1),
          steps,
          tokens ? `${tokens.computed} / ${tokens.needed} / ${tokens.padded}` : '–',
        ].join(' | ')} |`,
      )
    }
  }
  if (gemm) {
    lines.push(
      '',
      `Matrix products in the same run (${gemm.shape.join(' × ')}, float32): PyTorch ${fixed(gemm.torch, 0)} GF/s, ONNX Runtime's Gemm ${fixed(gemm.ours, 0)} GF/s.`,
    )
    lines.push('', '| align step | GFLOP needed | GF/s on what is needed, ours / peer | of our Gemm’s rate |', '|---|---|---|---|')
    for (const { job, peers, gflop } of results) {
      if (!gflop) continue
      const rate = gflop / peers[0].paired.ours
      lines.push(
        `| ${job.name} | ${fixed(gflop, 1)} | ${fixed(rate, 0)} / ${peers.map((peer) => fixed(gflop / peer.paired.theirs, 0)).join(', ')} | ${Math.round((100 * rate) / gemm.ours)} % |`,
      )
    }
  }
  return lines.join('\n') + '\n'
}
