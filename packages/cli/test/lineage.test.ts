import { hashJson, type Manifest } from '@plumbline/core'
import type { FoundStage } from '@plumbline/report'
import { withOrigins } from '../src/run-folders/lineage'

function stage(stage: string, name: string, determinedBy: Record<string, unknown>, artifacts: Record<string, string>): FoundStage {
  const manifest = { stage, key: name, determinedBy, artifacts } as unknown as Manifest
  return { folder: `/run/${name}`, name, stage, key: name, determinedBy, manifest, at: 0 }
}

const namesOf = (stages: Iterable<FoundStage>) => [...stages].map(({ name }) => name).sort()

describe('what a stage was made from', () => {
  const sft = stage('sft', 'sft', { model: 'base' }, { model: 'm1' })
  const other = stage('sft', 'other', { model: 'base' }, { model: 'm2' })
  const sample = stage('sample', 'sample', { model: 'm1' }, { 'samples.jsonl': 's1' })
  const label = stage('label', 'label', { samples: 's1' }, { 'groups.jsonl': 'g1' })
  const reference = stage('align', 'reference', { labels: 'g1', model: 'm1' }, { 'logprobs.jsonl': 'l1' })
  const align = stage('align', 'align', { align: {}, labels: 'g1', model: 'm1' }, { model: 'm3' })
  const candidates = stage('evaluate', 'candidates', { model: 'm1' }, { 'candidates.jsonl': 'c1' })
  const evaluate = stage('evaluate', 'evaluate', { model: 'm3', candidates: 'c1' }, { 'answers.jsonl': 'a1' })
  const all = [sft, other, sample, label, reference, align, candidates, evaluate]

  it('is found by hashes, with what was computed once beside it, and nothing else', () => {
    expect(namesOf(withOrigins([evaluate], all))).toEqual(['align', 'candidates', 'evaluate', 'label', 'reference', 'sample', 'sft'])
    expect(namesOf(withOrigins([other], all))).toEqual(['other'])
  })

  it('of two that made the same bytes, both', () => {
    const twin = stage('label', 'twin', { samples: 's9' }, { 'groups.jsonl': 'g1' })
    expect(namesOf(withOrigins([align], [...all, twin]))).toContain('twin')
  })

  it('is found behind an adapter, by what it makes with its base', () => {
    const adapted = stage('sft', 'adapted', { model: 'base' }, { adapter: 'd1' })
    const from = stage('sample', 'from', { model: hashJson({ base: 'base', adapter: 'd1' }) }, { 'samples.jsonl': 's2' })
    const unused = stage('sft', 'unused', { model: 'base' }, { adapter: 'd2' })
    expect(namesOf(withOrigins([from], [...all, adapted, from, unused]))).toEqual(['adapted', 'from'])
  })

  it('of an adapter on the base of another, which no hash here tells, every stage that left one', () => {
    const start = hashJson({ base: 'unknown', adapter: 'd0' })
    const adapted = stage('sft', 'adapted', { model: start }, { adapter: 'd1' })
    const from = stage('sample', 'from', { model: hashJson({ base: 'unknown', adapter: 'd1' }) }, { 'samples.jsonl': 's2' })
    expect(namesOf(withOrigins([from], [...all, adapted, from]))).toEqual(['adapted', 'from'])
    // one that is not trained hands on what it was given: its start's hash is its own
    const idle = stage('sft', 'idle', { model: start }, { adapter: 'd0' })
    const behind = stage('sample', 'behind', { model: start }, { 'samples.jsonl': 's3' })
    expect(namesOf(withOrigins([behind], [...all, idle, behind]))).toEqual(['behind', 'idle'])
  })
})
