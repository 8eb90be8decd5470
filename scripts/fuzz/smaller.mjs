// Makes the input of a finding smaller as long as the same goes wrong.

/** @param probe body → whether it still goes wrong @param budget how many probes */
export async function smallest(body, probe, budget) {
  let best = body
  let tries = 0
  for (let size = Math.floor(best.length / 2); size >= 1 && tries < budget;) {
    let cut = false
    for (let at = 0; at < best.length && tries < budget; at += size) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      tries++
      if (candidate.length < best.length && (await probe(candidate))) {
        best = candidate
        cut = true
        at -= size
      }
    }
    if (!cut || size > best.length) size = Math.floor(size / 2)
  }
  return best
}

/** A text for people: what repeats is said once. */
export function shown(body, most = 600) {
  const utf8 = body.toString('utf8')
  const text = Buffer.from(utf8).equals(body) ? utf8 : body.toString('latin1')
  const parts = []
  let plain = ''
  for (let at = 0; at < text.length && parts.length < 40;) {
    const run = runAt(text, at)
    if (run === undefined) plain += text[at++]
    else {
      if (plain !== '') parts.push(clipped(plain, most))
      plain = ''
      parts.push(`${JSON.stringify(run.unit)} × ${run.times}`)
      at += run.unit.length * run.times
    }
  }
  if (plain !== '') parts.push(clipped(plain, most))
  return parts.join(' + ')
}

const clipped = (text, most) =>
  text.length > most ? `${JSON.stringify(text.slice(0, most))}… (${text.length} characters)` : JSON.stringify(text)

/** The shortest piece that stands at least a dozen times in a row from here on. */
function runAt(text, at) {
  for (let period = 1; period <= 16; period++) {
    let end = at
    while (end + period < text.length && text[end] === text[end + period]) end++
    const times = Math.floor((end - at) / period) + 1
    if (times >= 12) return { unit: text.slice(at, at + period), times }
  }
  return undefined
}
