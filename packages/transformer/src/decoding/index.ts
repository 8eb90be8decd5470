export { TokenChooser, type TokenSampling } from './choose'
export { Completion, CompletionRules, textOf, type ModelLimits } from './completion'
export { cutAtStop, StopWatcher } from './stop'
