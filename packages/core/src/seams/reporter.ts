import type { DataRead, RunEnd, RunNotice, RunStart, StageEnd, StageProgress, StageReused, StageStart } from './run-events'

/**
 * Takes what a run tells somewhere else: to a tracker, into files, to a chat. It has no part in what the run computes: its options are in no
 * artifact's key, and one that fails is told nothing more, with one warning, while the run goes on.
 *
 * `start`, `event` and `end` are called one after the other, each when the one before is finished, and never while the run waits: a reporter that
 * is slow gets events late, and where thousands of them wait, progress is left out. The process ends soon after `end`, which has ten
 * seconds.
 *
 * Making one does nothing yet: `plumb doctor` makes it too. What it keeps open (files, connections, timers) belongs to `start`, and is
 * given up in `end`. It writes nothing to the standard output, which holds the run's results.
 */
export interface Reporter {
  /** Once, before every event. The stages of an interrupted run, when it goes on, are those of the same run folder again. */
  start?(run: ReportedRun): void | Promise<void>
  /**
   * Events are told in their order. Types that it does not know are to be left alone: later versions may have more.
   * @param time when it happened, in milliseconds since 1970
   */
  event(event: ReportedEvent, time: number): void | Promise<void>
  /** Once, after every event, also where the run was interrupted or failed. */
  end?(end: RunEnd, time: number): void | Promise<void>
}

/** What a run tells between its start and its end. */
export type ReportedEvent = DataRead | StageStart | StageReused | StageProgress | StageEnd | RunNotice

/** What is known of a run when it starts. */
export interface ReportedRun extends Omit<RunStart, 'type'> {
  /** The settings of the stages with their defaults, as trackers show them; what an option's schema calls secret is not among them. */
  readonly settings: Readonly<Record<string, unknown>>
}
