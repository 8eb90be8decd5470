import { curveChart } from '../../src/charts/curves'
import { openDrawing } from '../../src/charts/plot'

it('draws places to a tenth of a pixel, where they belong, and keeps what is said of them', async () => {
  const drawing = await openDrawing()
  const values = [1, 0.123456, 0.5, 1 / 3]
  const steps = values.map((loss, n) => ({ step: 7 * n, loss }))
  const chart = curveChart(drawing, { title: 'Loss', unit: 'nats', of: (step) => step.loss }, [{ model: 0, name: 'one 1.23456', steps }])
  const svg = chart?.text ?? ''
  expect(svg).toContain('one 1.23456')
  expect(svg.replace(/>[^<]*</g, '><')).not.toMatch(/ (?:d|x|y|[xy][12]|c[xy]|transform)="[^"]*\d\.\d\d/)
  // By hand: the plot is 380 × 188 px from (48, 24) on, and the axes end at the data.
  const paths = [...svg.matchAll(/ d="M([^"Z]*)"/g)].map(([, path = '']) => path.split('L').map((point) => point.split(',').map(Number)))
  const points = paths.find((path) => path.length === values.length)
  const most = Math.max(...values)
  const least = Math.min(...values)
  for (const [n, value] of values.entries()) {
    const expected = [48 + (380 * n) / 3, 212 - (188 * (value - least)) / (most - least)]
    for (const [axis, place] of expected.entries()) expect(Math.abs((points?.[n]?.[axis] ?? NaN) - place)).toBeLessThanOrEqual(0.05 + 1e-9)
  }
})
