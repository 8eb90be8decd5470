import { Flags } from '@oclif/core'
import type { RunEvent, RunReport, StageName } from '@plumbline/core'
import { PipelineCommand, type RunFlags } from '../pipeline-command'
import type { FinishedRun } from '../seeds/rows'
import type { SweepReport } from '../seeds/session'

const STAGES = ['sft', 'sample', 'label', 'align', 'evaluate'] as const

export default class Run extends PipelineCommand {
  static override summary = 'Run the pipeline: fine-tune, sample, label, align, evaluate.'

  static override description =
    'Every stage writes its results into the run folder under a key made from all that determines them. What is there already is reused, ' +
    'what was interrupted goes on where it stopped, and what a changed setting touches is done again: the same command starts a run, ' +
    'continues it, and prints the table of a finished one.\n\n' +
    'With --seeds and --sweep it makes a run of every combination, all in one run folder: what a swept setting has no hand in is made once and shared. At the end stand ' +
    'one table, with means and intervals over the seeds, and one page of all runs (sweep-<key>.html, and .json); report.json is that of the last run.\n\n' +
    'Ctrl-C saves and stops after the current micro-batch (exit code 130); of several runs it stops all.'

  static override examples = [
    '<%= config.bin %> run',
    '<%= config.bin %> run --config experiments/boundary.yaml --set seed=2 --set align.0.beta=0.3',
    '<%= config.bin %> run --stage label',
    '<%= config.bin %> run --seeds 0..4 --sweep align.0.beta=0.05,0.15',
    '<%= config.bin %> run --json > report.json',
  ]

  static override flags = {
    stage: Flags.option({ options: STAGES, summary: 'The last stage to run.', default: 'evaluate' as const })(),
    seeds: Flags.string({ summary: 'One run with each of these seeds: 0..4, or 0,2,5.', helpValue: 'SEEDS' }),
    sweep: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      summary: 'One run with each of these values of a key, e.g. align.0.beta=0.05,0.15. Several keys: one run of each combination.',
      helpValue: 'KEY=VALUES',
    }),
  }

  async run(): Promise<RunReport | SweepReport> {
    const { flags } = await this.parse(Run)
    if (flags.seeds === undefined && flags.sweep === undefined) return this.runStages(flags, flags.stage)
    return this.runAll(flags)
  }

  /** A run for each combination of seeds and swept values, one after the other. */
  private async runAll(flags: RunFlags & { readonly stage: StageName; readonly seeds?: string; readonly sweep?: readonly string[] }) {
    const started = performance.now()
    const [{ planRuns }, { checkPlan, summarize }, { renderSweep }, { atRun }] = await Promise.all([
      import('../seeds/plan.js'),
      import('../seeds/session.js'),
      import('../seeds/table.js'),
      import('../seeds/at-run.js'),
    ])
    const plan = planRuns({ seeds: flags.seeds, sweep: flags.sweep ?? [], set: flags.set ?? [] })
    await checkPlan(plan, { configFile: flags.config, oclif: this.config })
    const finished: FinishedRun[] = []
    for (const [r, run] of plan.runs.entries()) {
      const { title, overrides } = run
      if (!flags.quiet && !this.jsonEnabled()) this.logToStderr(`${r > 0 ? '\n' : ''}run ${r + 1} of ${plan.runs.length}: ${title}`)
      const evaluations = new Map<string, string>()
      const watch = (event: RunEvent) => {
        const isDone = event.type === 'stage-end' || event.type === 'stage-reused'
        if (isDone && event.stage === 'evaluate' && event.variant !== undefined) evaluations.set(event.variant, event.path)
      }
      const report = await atRun(title, () => this.runOnce({ ...flags, set: overrides }, flags.stage, undefined, watch))
      finished.push({ ...run, report, evaluations })
    }
    const report = await summarize(plan, finished, (performance.now() - started) / 1000)
    this.log(renderSweep(report))
    return report
  }
}
