import { drawSplits, SIZES } from '../src/splits'
import type { Problem } from '../src/problem'

const splits = drawSplits(0)
const everyProblem = Object.values(splits).flat()

/** The equations of a chain, worked out by reading the text alone. */
function readChain(chain: string): { equations: [number, string, number, number][]; answer: number } {
  const [work, answer] = chain.split(' #### ')
  const equations = work!.split(' ; ').map((text): [number, string, number, number] => {
    const match = /^(\d+) ([-+*/]) (\d+) = (\d+)$/.exec(text)
    if (!match) throw new Error(`not an equation: ${text}`)
    return [Number(match[1]), match[2]!, Number(match[3]), Number(match[4])]
  })
  return { equations, answer: Number(answer) }
}

describe('the splits', () => {
  it('have their sizes', () => {
    expect(Object.fromEntries(Object.entries(splits).map(([split, problems]) => [split, problems.length]))).toEqual(SIZES)
  })

  it('share no numeric skeleton, read from the written chains', () => {
    const skeletons = everyProblem.map(({ chain }) => chain.split(' #### ')[0])
    expect(new Set(skeletons).size).toBe(skeletons.length)
  })

  it('are equally hard: chains of two, three and four equations in like proportions', () => {
    const shareOfFour = (problems: Problem[]) =>
      problems.filter(({ chain }) => readChain(chain).equations.length === 4).length / problems.length
    const shares = Object.values(splits).map(shareOfFour)
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(0.08)
  })

  it('are the same for a seed and others for another', () => {
    const draw = (seed: number) => drawSplits(seed, { train: 30, questions: 30, validation: 10, test: 10 })
    expect(draw(0)).toEqual(draw(0))
    expect(draw(1)).not.toEqual(draw(0))
  })
})

describe('every problem', () => {
  const breaking = (holds: (problem: Problem) => boolean) => everyProblem.filter((problem) => !holds(problem))

  it('has two to four correct equations over whole numbers from 1 to 60, and ends with the last result', () => {
    const compute = { '+': (a: number, b: number) => a + b, '-': (a: number, b: number) => a - b } as Record<string, typeof Math.pow>
    compute['*'] = (a, b) => a * b
    compute['/'] = (a, b) => a / b
    const holds = ({ chain, answer }: Problem) => {
      const { equations, answer: written } = readChain(chain)
      const right = equations.every(([a, operator, b, c]) => compute[operator]!(a, b) === c && Number.isInteger(c) && c >= 1 && c <= 60)
      return right && equations.length >= 2 && equations.length <= 4 && written === answer && equations.at(-1)![3] === answer
    }
    expect(breaking(holds)).toEqual([])
  })

  it('takes every number of its chain from the story or from an earlier equation', () => {
    const holds = ({ question, chain }: Problem) => {
      const known = new Set(question.split(' ').map(Number))
      return readChain(chain).equations.every(([left, , right, result]) => known.has(left) && known.has(right) && known.add(result))
    }
    expect(breaking(holds)).toEqual([])
  })

  it('names nobody and nothing unfilled', () => {
    expect(breaking((problem) => !/[{}]|undefined/.test(problem.question))).toEqual([])
  })

  it('carries a number that plays no part in about a fifth of the stories', () => {
    const distracted = everyProblem.filter(({ question }) => /years old|windows/.test(question)).length / everyProblem.length
    expect(distracted).toBeGreaterThan(0.17)
    expect(distracted).toBeLessThan(0.23)
  })
})
