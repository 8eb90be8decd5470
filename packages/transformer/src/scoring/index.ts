export { spreadCotangents, splitLogProbs } from './exchange'
export { requireFiniteLogProbs, requireFiniteLoss, requireFiniteScores, scoredGroups } from './finite'
export { planMicroBatches, type MicroBatch, type SelectedGroup } from './micro-batches'
export { selectGroups } from './select-groups'
