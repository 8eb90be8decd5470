export { TokenChooser, type TokenSampling } from './choose'
export { Completion, CompletionRules, completionText, type ModelLimits } from './completion'
export { requirePrompts } from './prompts'
export { cutAtStop, StopWatcher } from './stop'
