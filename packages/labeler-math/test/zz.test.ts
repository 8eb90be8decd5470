import { PAIRS, labelers, errorsOf } from './measure'
test('m', async () => {
  for (const half of ['tuning', 'heldout'] as const) for (const name of ['math', 'answer'] as const) {
    const pairs = PAIRS.filter((p) => p.half === half)
    const e = await errorsOf(pairs, labelers[name])
    console.log(half, name, pairs.length, Object.entries(e).map(([k, v]) => `${k} ${v.length}`).join(' '))
    if (half === 'tuning' && name === 'math') console.log(Object.entries(e).map(([k, v]) => `${k}\n` + v.map((p) => `   ${p.expected}   |   ${p.given}`).join('\n')).join('\n'))
  }
})
