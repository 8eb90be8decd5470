export { TokenChooser, type TokenSampling } from './choose'
export { Completion, CompletionRules, completionText, type ModelLimits } from './completion'
export { cutAtStop, StopWatcher } from './stop'
