/** The stages of the paradigm in their order. */
export const STAGES = ['sft', 'sample', 'label', 'align', 'evaluate'] as const
export type StageName = (typeof STAGES)[number]

/** What a run tells while it works: the command line draws it, `--events` writes it down, reporters hand it on (docs/events.md). */
export type RunEvent = RunStart | DataRead | StageStart | StageReused | StageProgress | StageEnd | RunNotice | RunEnd

/** A stage by what the run folder calls it: `align` has its variants, `evaluate` the models that it looks at. */
export interface StagePlace {
  readonly stage: StageName
  readonly variant?: string
}

/** The data is read, and the first stage comes next. */
export interface RunStart {
  readonly type: 'run-start'
  /** The run folder, absolute. */
  readonly run: string
  readonly engine: string
  readonly model: string
  readonly seed: number
  /** The stages that will be run or reused, in their order. A loss that asks for more than that adds to them while the run goes on. */
  readonly stages: readonly StagePlace[]
}

/** What was read of a data source. */
export interface DataRead extends SourceFigures {
  readonly type: 'data'
}

/** The stage is at work. */
export interface StageStart extends StagePlace {
  readonly type: 'stage-start'
  /** Its folder, absolute. */
  readonly path: string
  /** How much is done already, by an earlier process. */
  readonly resumedAt?: number
  readonly total: number
}

/** An artifact with the same key is there already. */
export interface StageReused extends StagePlace {
  readonly type: 'stage-reused'
  readonly path: string
  readonly summary: string
  /** As `done.json` has them. */
  readonly figures: Readonly<Record<string, number>>
}

export interface StageProgress extends StagePlace {
  readonly type: 'progress'
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

export interface StageEnd extends StagePlace {
  readonly type: 'stage-end'
  readonly seconds: number
  readonly path: string
  readonly summary: string
  readonly figures: Readonly<Record<string, number>>
}

export interface RunNotice {
  readonly type: 'notice'
  readonly level: 'info' | 'warning'
  readonly message: string
}

/** The last event, whatever came of the run; there may have been no `run-start`. */
export interface RunEnd {
  readonly type: 'run-end'
  readonly outcome: 'done' | 'interrupted' | 'failed'
  readonly seconds: number
  /** Of a run that is done. */
  readonly report?: RunReport
  /** Of one that is not. */
  readonly error?: RunFailure
}

export interface RunFailure {
  /** `PLUMB_…`; absent for what is a bug. */
  readonly code?: string
  readonly where?: string
  readonly message: string
}

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
