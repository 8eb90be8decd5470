import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadTokenizer } from '@plumbline/transformer'
import { line, writeTask, writeTokenizer } from '../src/world/files'
import { NAMES, TASKS, type Problem, type Task } from '../src/world/problem'
import { drawSplits, SPLITS, type Split } from '../src/world/splits'
import { vocabulary } from '../src/world/vocabulary'
import { FULL } from '../src/study/settings'
import { solveChain, solveChoice, solveStory } from './solve'

const SOLVERS: Readonly<Record<Task, (question: string) => string>> = {
  story: (question) => String(solveStory(question)),
  choice: solveChoice,
  chain: solveChain,
}

const world = Object.fromEntries(TASKS.map((task) => [task, drawSplits(task, 1, FULL.sizes)])) as Record<
  Task,
  Record<Split, readonly Problem[]>
>
const everyProblem = (task: Task) => SPLITS.flatMap((split) => world[task][split])
const wordsOf = ({ question, chain }: Problem) => `${question} ${chain}`.split(' ')

describe.each(TASKS)('the task "%s"', (task) => {
  it('has the sizes of its splits', () => {
    expect(Object.fromEntries(SPLITS.map((split) => [split, world[task][split].length]))).toEqual(FULL.sizes)
  })

  it('has answers that an independent evaluator finds in the text alone', () => {
    const wrong = everyProblem(task).flatMap(({ question, answer }) => {
      const found = SOLVERS[task](question)
      return found === answer ? [] : [{ question, answer, found }]
    })
    expect(wrong).toEqual([])
  })

  it('has chains that end with the answer, and equations that hold', () => {
    const wrong = everyProblem(task).filter(({ chain, answer }) => {
      const equations = [...chain.matchAll(/(\d+) ([-+*/]) (\d+) = (\d+)/g)]
      const holds = equations.every(([, a, operator, b, result]) => {
        const value = { '+': Number(a) + Number(b), '-': Number(a) - Number(b), '*': Number(a) * Number(b), '/': Number(a) / Number(b) }[
          operator!
        ]
        return value === Number(result) && Number(result) >= 1 && Number(result) <= 60
      })
      return !holds || !chain.endsWith(` #### ${answer}`) || (task !== 'chain' && equations.length < 2)
    })
    expect(wrong).toEqual([])
  })

  it('asks nothing twice, in a split or across splits', () => {
    const chains = everyProblem(task).map(({ chain }) => chain.replace(/ ####.*/, ''))
    expect(new Set(chains).size).toBe(chains.length)
    const questions = everyProblem(task).map(({ question }) => question)
    expect(new Set(questions).size).toBe(questions.length)
  })

  it('has no word outside of training that training does not have', () => {
    const known = new Set(world[task].train.flatMap(wordsOf))
    for (const split of SPLITS) {
      expect([split, [...new Set(world[task][split].flatMap(wordsOf))].filter((word) => !known.has(word))]).toEqual([split, []])
    }
  })

  it('has no sentence in "reworded" that training has', () => {
    const content = new Set(contentOf(task))
    const shapesOf = ({ question }: Problem) =>
      question
        .replace(/ Options :.*/, '')
        .split(/(?<= [.?]) /)
        .map((sentence) =>
          sentence
            .split(' ')
            .map((word) => (/^\d+$/.test(word) ? '#' : NAMES.includes(word) ? 'N' : content.has(word) ? 'X' : word))
            .join(' '),
        )
    const known = new Set(world[task].train.flatMap(shapesOf))
    expect([...new Set(world[task].reworded.flatMap(shapesOf))].filter((shape) => known.has(shape))).toEqual([])
  })

  it('takes more steps in "longer", and is otherwise as hard in every split', () => {
    expect(new Set(world[task].longer.map(({ level }) => level))).toEqual(new Set([5, 6]))
    const usual = (['train', 'fresh', 'test'] as const).map((split) => {
      const levels = world[task][split].map(({ level }) => level)
      expect(new Set(levels)).toEqual(new Set([2, 3, 4]))
      return levels.reduce((sum, level) => sum + level, 0) / levels.length
    })
    expect(Math.max(...usual) - Math.min(...usual)).toBeLessThan(0.1)
  })

  it('is the same for a seed, and another for another', () => {
    const sizes = { train: 10, fresh: 5, test: 5, longer: 2, reworded: 2, larger: 2 }
    expect(drawSplits(task, 3, sizes)).toEqual(drawSplits(task, 3, sizes))
    expect(drawSplits(task, 4, sizes).train).not.toEqual(drawSplits(task, 3, sizes).train)
  })
})

it('has larger numbers in "larger", and more facts where there are none', () => {
  const mean = (problems: readonly Problem[], of: (problem: Problem) => number) =>
    problems.reduce((sum, problem) => sum + of(problem), 0) / problems.length
  const largest = ({ chain }: Problem) => Math.max(...[...chain.matchAll(/^(\d+)| ; (\d+)/g)].map(([, a, b]) => Number(a ?? b)))
  for (const task of ['story', 'choice'] as const) {
    expect(mean(world[task].larger, largest)).toBeGreaterThan(mean(world[task].test, largest) + 8)
  }
  const sentences = ({ question, level }: Problem) => question.split(' . ').length - level
  expect(mean(world.chain.larger, sentences)).toBeGreaterThan(mean(world.chain.test, sentences) + 0.8)
})

it('gives chances of a fourth to a guess among options, whichever place it takes', () => {
  const places = world.choice.test.map(({ question, answer }) => (question.split(' Options : ')[1] ?? '').split(' , ').indexOf(answer))
  for (const place of [0, 1, 2, 3]) {
    const share = places.filter((each) => each === place).length / places.length
    expect(share).toBeGreaterThan(0.2)
    expect(share).toBeLessThan(0.3)
  }
})

it('writes the same bytes for a seed, chains in the training file alone, and a tokenizer that gives every text back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'paper-world-'))
  const sizes = { train: 20, fresh: 5, test: 5, longer: 2, reworded: 2, larger: 2 }
  for (const name of ['a', 'b']) writeTask(join(folder, name), 'chain', 2, sizes)
  for (const split of SPLITS) {
    const [a, b] = ['a', 'b'].map((name) => readFileSync(join(folder, name, `${split}.jsonl`), 'utf8'))
    expect(a).toBe(b)
    expect([split, a!.includes('####')]).toEqual([split, split === 'train'])
  }
  writeTokenizer(join(folder, 'tokenizer'))
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer'))
  const known = new Set(vocabulary())
  for (const task of TASKS) {
    for (const problem of [...world[task].train.slice(0, 200), ...world[task].longer]) {
      expect(wordsOf(problem).filter((word) => !known.has(word))).toEqual([])
      const ids = tokenizer.encode(problem.question)
      expect(ids).toHaveLength(problem.question.split(' ').length)
      expect(tokenizer.decode(ids)).toBe(problem.question)
      expect(ids.length + problem.chain.split(' ').length).toBeLessThan(250)
      expect(problem.chain.split(' ').length).toBeLessThan(58)
    }
  }
  expect(line('story', 'test', 3, { question: 'q', chain: 'c', answer: '1', level: 2, skeleton: 's' })).toEqual({
    id: 'story-test-3',
    prompt: 'q',
    answer: '1',
    candidates: [],
  })
})

/** Words that change from problem to problem. */
function contentOf(task: Task): string[] {
  return {
    story: 'apples books coins cards shells stamps pens stones',
    choice: 'hat lamp cup ball bag chair map rope bell drum',
    chain:
      'key ring coin letter pearl note purse box case basket trunk drawer sack jar chest tin kitchen garden garage attic cellar office hall shed ' +
      'robin eagle parrot salmon trout carp ant bee beetle dog horse rabbit',
  }[task].split(' ')
}
