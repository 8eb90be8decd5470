/** The stages of the paradigm in their order. */
export const STAGES = ['sft', 'sample', 'label', 'align', 'evaluate'] as const
export type StageName = (typeof STAGES)[number]

/** What a run tells while it works; the command line draws it, tests read it. */
export type RunEvent =
  | { readonly type: 'run-start'; readonly run: string; readonly engine: string; readonly model: string }
  | {
      readonly type: 'stage-start'
      readonly stage: StageName
      readonly variant?: string
      readonly resumedAt?: number
      readonly total: number
    }
  /** An artifact with the same key is there already. */
  | { readonly type: 'stage-reused'; readonly stage: StageName; readonly variant?: string; readonly path: string }
  | StageProgress
  | {
      readonly type: 'stage-end'
      readonly stage: StageName
      readonly variant?: string
      readonly seconds: number
      readonly path: string
      readonly summary: string
    }
  | ({ readonly type: 'data' } & SourceFigures)
  | { readonly type: 'notice'; readonly level: 'info' | 'warning'; readonly message: string }

/** What was read of one data source. */
export interface SourceFigures {
  /** `data.train`, or of several `data.train.<name>`. */
  readonly source: string
  /** Records that can be used. */
  readonly records: number
  /** Records that were refused, by the code of the reason, where the source says to leave them out. */
  readonly leftOut: Readonly<Record<string, number>>
  /** How many records are taken into the mixture of all sources, repeated ones each time; all of them where there is one source. */
  readonly drawn: number
  readonly weight?: number
}

export interface StageProgress {
  readonly type: 'progress'
  readonly stage: StageName
  readonly variant?: string
  readonly done: number
  readonly total: number
  /** What is counted, plural: `steps`, `completions`, `questions`. */
  readonly unit: string
  readonly tokensPerSecond?: number
  /** Seconds left at the pace so far. */
  readonly eta?: number
  /** e.g. loss, gradNorm, learningRate. */
  readonly metrics?: Readonly<Record<string, number>>
}

/** One row of the closing table: the stage-1 model, or one variant. Every figure is named as in the documentation of diagnostics. */
export interface ReportRow {
  readonly name: string
  /** Of a variant in a run of several rounds: after which one. Its differences are to the control after as many. */
  readonly round?: number
  /** Test questions that were answered. */
  readonly questions: number
  /** Greedy answers that are right, as a fraction; absent, like what follows from it, where no test question has an answer to compare with. */
  readonly accuracy?: number
  /** Wilson 95 % interval of `accuracy`. */
  readonly interval?: readonly [number, number]
  /** Mean paired difference of accuracy to the control, and its standard error; absent for the control itself. */
  readonly versusControl?: { readonly difference: number; readonly standardError: number }
  /** Fraction of answers in which no final answer was found. */
  readonly parseFailures?: number
  /** Mean over questions of the fraction of (positive, negative) pairs with s_p > s_n, or (better, worse) ones of ranked candidates; undefined where no question has any. */
  readonly assessmentAccuracy?: number
  readonly positivePerplexity?: number
  readonly negativePerplexity?: number
  /** The same on each test set, where there are several: the figures above are then of all of them together. */
  readonly sets?: readonly ReportRow[]
}

/** Candidates in which the labeler found no answer: a rate that is not small means that it does not read this model's answers. */
export interface UnparsedAnswers {
  readonly count: number
  /** Candidates that were labelled. */
  readonly of: number
  /** The ends of a few of them. */
  readonly examples: readonly { readonly id: string; readonly text: string }[]
}

export interface RunReport {
  readonly run: string
  /** Identifies what is compared, and with what: `report-<key>.json` is this report, whatever ran in the folder since. Without rows there is none. */
  readonly key?: string
  readonly control: string
  /** Whether alignment saw the questions of stage 1 again, or fresh ones: figures of the two designs are not comparable. */
  readonly design: string
  readonly rows: readonly ReportRow[]
  /** The data sources, where a key has several of them or records were left out. */
  readonly sources?: readonly SourceFigures[]
  /** Candidates sampled (or given by the data file), right, wrong, unparsed, truncated, duplicate; questions with both kinds. */
  readonly samples?: Readonly<Record<string, number>>
  /** The same of the further rounds, by the names of their models. */
  readonly furtherSamples?: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly unparsed?: UnparsedAnswers
  readonly notices: readonly string[]
  readonly seconds: number
}
