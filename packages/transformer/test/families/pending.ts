/**
 * Cases whose texts are longer than this project lets the model's context be: from there on the rotary frequencies of all positions change
 * with the length of the sequence, so that a prompt would have no keys that its completions could share. They are refused with
 * PLUMB_CONTEXT_EXCEEDED.
 */
export const BEYOND_CONTEXT: readonly string[] = ['llama-dynamic-long', 'phi3-longrope-long']
