import type { Claimed } from '@plumbline/core'
import { OTHER_SHAPES } from '../world/splits'
import { TASKS, type Task } from '../world/problem'
import type { Cell } from './cells'
import type { Figure } from './outcomes'
import type { Settings } from './settings'
import { variantsOf } from './variants'

export const CLAIMS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] as const
export type ClaimName = (typeof CLAIMS)[number]

/** A model of a cell, on one of its test sets where it has several. */
export interface ModelOf {
  readonly cell: string
  readonly model: string
  readonly set?: string
}

export interface Comparison {
  readonly title: string
  readonly figure: Figure
  readonly of: ModelOf
  /** What it is compared with, question by question; or a number. */
  readonly to: ModelOf | number
  readonly claimed: Claimed
  /** `claim`: what the paper says. `control`: what could explain it away. */
  readonly role: 'claim' | 'control'
}

export interface Claim {
  readonly name: ClaimName
  readonly title: string
  /** What the paper reports, and where. */
  readonly paper: string
  readonly cells: readonly Cell[]
  readonly comparisons: readonly Comparison[]
}

/** Two points of accuracy and of assessment; a twentieth of a nat; a point of degenerate answers: see DESIGN.md. */
const SMALLEST = { right: 0.02, negatives: 0.05, positives: 0.05, degenerate: 0.01, assessment: 0.02, misled: 0.02 } as const
const VFT = 'VFT'

export function claimsOf(settings: Settings): Readonly<Record<ClaimName, Claim>> {
  const variants = variantsOf(settings)
  const { control, aft, rft, margin, ranked, withBeta, after, longer } = variants
  const [boundary, detached, none] = [aft('boundary'), aft('detached'), aft('none')]
  const cell = (name: string, task: Cell['task'], own: Partial<Cell> & Pick<Cell, 'variants'>): Cell => ({
    name,
    task,
    design: 'paper',
    feedback: 'binary',
    tests: 'usual',
    control: own.variants.includes(control) ? control.name : VFT,
    ...own,
  })
  const compare = (
    role: Comparison['role'],
    figure: Figure,
    direction: Claimed['direction'],
    of: ModelOf,
    to: ModelOf | number,
    smallest: number = SMALLEST[figure],
  ): Comparison => ({ title: titleOf(of, to), figure, of, to, claimed: { direction, smallest }, role })
  const main = (task: Task): Cell =>
    cell(task, task, {
      variants: task === 'story' ? [boundary, detached, none, rft, margin, control] : [boundary, detached, none, rft, control],
    })
  const fresh = cell('story, fresh questions', 'story', { design: 'fresh', variants: [boundary, rft, control] })

  return {
    a: {
      name: 'a',
      title: 'Fine-tuned models misjudge: wrong chains can be likelier than right ones',
      paper: '§3: assessment accuracy after VFT about 70 % (GSM8K) and 62 % (ECQA); wrong chains with a lower perplexity than right ones',
      cells: TASKS.map((task) => cell(task, task, { variants: [control] })),
      comparisons: [
        ...TASKS.flatMap((task) => [
          compare('claim', 'assessment', 'below', { cell: task, model: VFT }, 0.9),
          compare('claim', 'misled', 'above', { cell: task, model: VFT }, 0.05),
        ]),
        // below 0.9 means little where a model tells nothing apart
        ...TASKS.map((task) => compare('control', 'assessment', 'above', { cell: task, model: VFT }, 0.5)),
      ],
    },
    b: {
      name: 'b',
      title: 'AFT is better than VFT and RFT, on binary feedback',
      paper: 'Table 2: AFT above VFT, by 1.91 to 2.57 points on average, and above RFT',
      cells: [...TASKS.map(main), fresh],
      comparisons: [
        ...TASKS.flatMap((task) => [
          compare('claim', 'right', 'above', { cell: task, model: 'boundary' }, { cell: task, model: VFT }),
          compare('claim', 'right', 'above', { cell: task, model: 'boundary' }, { cell: task, model: 'rft' }),
        ]),
        ...TASKS.map((task) => compare('control', 'right', 'above', { cell: task, model: 'boundary' }, { cell: task, model: 'control' })),
        compare('control', 'right', 'above', { cell: fresh.name, model: 'boundary' }, { cell: fresh.name, model: 'control' }),
        compare('control', 'right', 'above', { cell: fresh.name, model: 'boundary' }, { cell: fresh.name, model: 'rft' }),
      ],
    },
    c: rankedClaim(),
    d: degradation(),
    e: {
      name: 'e',
      title: 'More candidates make AFT better',
      paper: 'its analysis of the number of candidates; the direction as this project reads it',
      cells: [few(), cell('story', 'story', { variants: [boundary, control] }), many()],
      comparisons: [
        compare('claim', 'right', 'above', { cell: many().name, model: 'boundary' }, { cell: few().name, model: 'boundary' }),
        compare('control', 'right', 'above', { cell: many().name, model: 'boundary' }, { cell: 'story', model: 'boundary' }),
      ],
    },
    f: {
      name: 'f',
      title: 'The boundary’s β has a best value between too little and too much',
      paper: 'its analysis of β; the direction as this project reads it',
      cells: [cell('story', 'story', { variants: [boundary, ...settings.otherBetas.map((beta) => withBeta(beta)), control] })],
      comparisons: [extremes(0), extremes(-1)].flatMap((model) => [
        compare('claim', 'right', 'above', { cell: 'story', model: 'boundary' }, { cell: 'story', model }),
      ]),
    },
    g: {
      name: 'g',
      title: 'AFT helps a model of several tasks',
      paper: 'its multi-task training: AFT does well there too',
      cells: [cell('all', 'all', { variants: [boundary, none, rft, control] })],
      comparisons: [
        ...TASKS.map((set) =>
          compare('claim', 'right', 'above', { cell: 'all', model: 'boundary', set }, { cell: 'all', model: VFT, set }),
        ),
        ...TASKS.map((set) =>
          compare('control', 'right', 'above', { cell: 'all', model: 'boundary', set }, { cell: 'all', model: 'control', set }),
        ),
      ],
    },
    h: {
      name: 'h',
      title: 'AFT helps out of distribution too',
      paper: 'its tests out of distribution: AFT does well there too',
      cells: [cell('story, other shapes', 'story', { tests: 'other', variants: [boundary, none, control] })],
      comparisons: OTHER_SHAPES.flatMap((set) => {
        const of = (model: string): ModelOf => ({ cell: 'story, other shapes', model, set })
        return [
          compare('claim', 'right', 'above', of('boundary'), of(VFT)),
          compare('control', 'right', 'above', of('boundary'), of('control')),
        ]
      }),
    },
    i: {
      name: 'i',
      title: 'A second round of samples from the aligned model helps again',
      paper: 'not in the paper: asked by this project',
      cells: [
        cell('story, two rounds', 'story', { rounds: 2, variants: [boundary, control] }),
        cell('story, twice as long', 'story', { variants: [longer(boundary), control] }),
      ],
      comparisons: [
        compare(
          'claim',
          'right',
          'above',
          { cell: 'story, two rounds', model: 'boundary+2' },
          { cell: 'story, two rounds', model: 'boundary' },
        ),
        compare(
          'control',
          'right',
          'above',
          { cell: 'story, two rounds', model: 'boundary+2' },
          { cell: 'story, two rounds', model: 'control+2' },
        ),
        compare(
          'control',
          'right',
          'above',
          { cell: 'story, two rounds', model: 'boundary+2' },
          { cell: 'story, twice as long', model: longer(boundary).name },
        ),
      ],
    },
  }

  function rankedClaim(): Claim {
    const losses = ['ca', 'rrhf', 'pro', 'dpo'] as const
    const name = 'story, ranked'
    return {
      name: 'c',
      title: 'On ranked feedback, losses need the constraint',
      paper: 'Table 3 (GSM8K-RANK): VFT 20.82, RRHF 7.51, AFT 26.08; §6.1: RRHF and PRO gain from the boundary',
      cells: [
        cell(name, 'story', {
          feedback: 'ranked',
          variants: [...losses.flatMap((loss) => [ranked(loss, 'none'), ranked(loss, 'boundary')]), control],
        }),
      ],
      comparisons: [
        compare('claim', 'right', 'below', { cell: name, model: 'rrhf' }, { cell: name, model: VFT }),
        ...losses.map((loss) => compare('claim', 'right', 'above', { cell: name, model: `${loss}-boundary` }, { cell: name, model: loss })),
        compare('control', 'right', 'above', { cell: name, model: 'ca-boundary' }, { cell: name, model: 'control' }),
      ],
    }
  }

  function degradation(): Claim {
    const last = settings.ladder.at(-1) ?? 0
    const at = (variant: string): ModelOf => ({ cell: 'story, over steps', model: `${variant}-${last}` })
    return {
      name: 'd',
      title: 'Without a constraint wrong chains become ever less likely, and the model worse',
      paper: '§6.1 and its figure: the perplexity of negatives rises without bound, and accuracy collapses',
      cells: [
        cell('story, over steps', 'story', {
          variants: [none, boundary, control].flatMap((variant) => settings.ladder.map((steps) => after(variant, steps))),
          control: `control-${last}`,
        }),
      ],
      comparisons: [
        compare('claim', 'negatives', 'above', at('none'), at('control')),
        compare('claim', 'right', 'below', at('none'), at('boundary')),
        compare('claim', 'degenerate', 'above', at('none'), at('control')),
        compare('control', 'right', 'below', at('none'), at('control')),
        compare('control', 'negatives', 'above', at('boundary'), at('control')),
      ],
    }
  }

  function few(): Cell {
    return cell(`story, k = ${settings.otherK[0]}`, 'story', { k: settings.otherK[0], variants: [boundary] })
  }

  function many(): Cell {
    return cell(`story, k = ${settings.otherK[1]}`, 'story', { k: settings.otherK[1], variants: [boundary] })
  }

  function extremes(index: number): string {
    return withBeta(settings.otherBetas.at(index) ?? 0).name
  }
}

function titleOf(of: ModelOf, to: ModelOf | number): string {
  const place = (model: ModelOf) => [model.cell, ...(model.set === undefined ? [] : [model.set])].join(', ')
  if (typeof to === 'number') return `${place(of)}: ${of.model} to ${to}`
  return place(of) === place(to) ? `${place(of)}: ${of.model} − ${to.model}` : `${of.model} (${place(of)}) − ${to.model} (${place(to)})`
}
