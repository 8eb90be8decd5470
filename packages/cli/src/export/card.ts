import { printable } from '@plumbline/core/base'
import type { CardFacts, LossFacts, StageFacts } from './facts'

/** A model card as the Hugging Face Hub reads it: YAML in front, Markdown behind. It holds no text of the data. */
export function renderCard(facts: CardFacts): string {
  const sections = [
    frontMatter(facts),
    `# ${facts.title}`,
    intro(facts),
    ...loading(facts),
    ...stages(facts),
    ...data(facts),
    ...results(facts),
    closing(facts),
  ]
  return printable(sections.join('\n\n')) + '\n'
}

/** A JSON text or list is YAML too. */
function frontMatter({ baseModel, license, datasets, isAdapter, stages: trained }: CardFacts): string {
  const losses = trained.flatMap(({ losses: all }) => all.map(({ name }) => name))
  const usesLora = trained.some(({ settings }) => settings.some(([name]) => name === 'LoRA'))
  const tags = [...new Set(['plumbline', ...losses, ...(usesLora ? ['lora'] : [])])]
  const fields: Record<string, unknown> = {
    library_name: isAdapter ? 'peft' : 'transformers',
    pipeline_tag: 'text-generation',
    ...(baseModel === undefined ? {} : { base_model: baseModel, base_model_relation: isAdapter ? 'adapter' : 'finetune' }),
    ...(license === undefined ? {} : { license }),
    ...(datasets.length === 0 ? {} : { datasets }),
    tags,
  }
  return ['---', ...Object.entries(fields).map(([key, value]) => `${key}: ${JSON.stringify(value)}`), '---'].join('\n')
}

function intro({ start, stages: trained, isAdapter, baseModel }: CardFacts): string {
  const what = isAdapter ? 'A LoRA adapter' : 'A language model'
  const from = baseModel === undefined ? start : `${start} ([${baseModel}](https://huggingface.co/${baseModel}))`
  return `${what}, trained from ${from} with Plumbline${trained.length === 0 ? '; no stage of training took a step' : ''}.`
}

function loading({ isAdapter, baseModel, dtype, title, prompt }: CardFacts): string[] {
  const code = isAdapter
    ? [
        'from peft import PeftModel',
        'from transformers import AutoModelForCausalLM',
        '',
        `base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(baseModel ?? 'path/to/the/base')})`,
        `model = PeftModel.from_pretrained(base, ${JSON.stringify(title)})`,
      ]
    : [
        'from transformers import AutoModelForCausalLM',
        '',
        `model = AutoModelForCausalLM.from_pretrained(${JSON.stringify(title)})  # ${dtype}`,
      ]
  return [
    '## Use',
    ['```python', ...code, '```'].join('\n'),
    'It was trained with these settings of prompts:',
    table(['setting', 'value'], prompt),
  ]
}

function stages({ stages: trained }: CardFacts): string[] {
  if (trained.length === 0) return []
  return ['## Training', ...trained.flatMap(stage)]
}

function stage({ title, losses, settings, summary }: StageFacts): string[] {
  return [
    `### ${title}`,
    `${summary}.`,
    table(['loss', 'weight', 'options', 'paper'], losses.map(lossCells)),
    table(['setting', 'value'], settings),
  ]
}

function lossCells({ name, weight, options, paper = '' }: LossFacts): string[] {
  const arxiv = /^arXiv:(\d{4}\.\d{4,5})/.exec(paper)
  return [name, String(weight), options, arxiv ? `[${paper}](https://arxiv.org/abs/${arxiv[1]})` : paper]
}

function data({ data: sources }: CardFacts): string[] {
  const rows = sources.map(({ use, file, format, records }) => [use, file, format, records === undefined ? '' : String(records)])
  return ['## Data', table(['used for', 'file', 'format', 'records'], rows)]
}

function results({ report }: CardFacts): string[] {
  if (report === undefined || report.rows.length === 0) return ['## Results', 'It was not evaluated.']
  const percent = (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`)
  const figure = (value: number | undefined) => value?.toFixed(3) ?? ''
  const rows = report.rows.map(({ name, questions, accuracy, interval, ...more }) => [
    name,
    String(questions),
    percent(accuracy) + (interval ? ` [${percent(interval[0])}, ${percent(interval[1])}]` : ''),
    figure(more.assessmentAccuracy),
    figure(more.positivePerplexity),
    figure(more.negativePerplexity),
  ])
  const notices =
    report.notices.length === 0 ? [] : ['What the run noticed:', report.notices.map((notice) => `- ${line(notice)}`).join('\n')]
  return [
    '## Results',
    table(['model', 'test questions', 'accuracy [95 %]', 'assessment accuracy', 'perplexity of right answers', 'of wrong ones'], rows),
    `Greedy answers to the test questions, with the Wilson interval. VFT is the model after stage 1. Design: ${report.design}.`,
    ...notices,
  ]
}

function closing({ seed, version }: CardFacts): string {
  return `Made by Plumbline ${version}, seed ${seed}. This card was written from the records of the run.`
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => line(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [row(titles), row(titles.map(() => '---')), ...rows.map(row)].join('\n')
}

const line = (text: string): string => text.replace(/\s+/g, ' ').trim()
