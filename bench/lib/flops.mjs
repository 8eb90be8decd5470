// Arithmetic that a step cannot do without: every prompt once, no padding, the output head at completion positions only, and no pass over
// a completion's last token, which predicts nothing.

const sum = (values) => values.reduce((total, value) => total + value, 0)

/**
 * Floating-point operations of one forward and backward pass (multiply and add counted as two; backward is twice the forward).
 *
 * @param rank of the factors beside every linear module, where they alone are trained: the weights' own gradients are then not needed.
 */
export function neededFlops(architecture, groups, rank) {
  const { hidden_size: h, intermediate_size: f, num_hidden_layers: layers, num_attention_heads: heads } = architecture
  const headDim = architecture.head_dim ?? h / heads
  const kv = architecture.num_key_value_heads * headDim
  const q = heads * headDim
  const perToken = 2 * layers * (2 * h * q + 2 * h * kv + 3 * h * f)
  const factorsPerToken = 2 * layers * (rank ?? 0) * (2 * (h + q) + 2 * (h + kv) + 3 * (h + f))
  const passes = rank === undefined ? 3 : 2
  const perAttended = 4 * layers * q // scores and weighted values, per key looked at
  const all = groups.map(({ prompt, completions }) => {
    const p = prompt.length
    const lengths = completions.map((tokens) => tokens.length)
    const inputs = lengths.map((n) => n - 1)
    const looked = (p * (p + 1)) / 2 + sum(inputs.map((n) => n * p + (n * (n + 1)) / 2))
    const logits = sum(lengths) * 2 * h * architecture.vocab_size
    return (p + sum(inputs)) * (passes * perToken + 3 * factorsPerToken) + 3 * looked * perAttended + passes * logits
  })
  return sum(all)
}

/** Tokens of the groups: completions, what a pass needs as inputs, and what a padded trainer computes with one question a micro-batch. */
export function tokenCounts(groups) {
  const completion = sum(groups.flatMap(({ completions }) => completions.map((tokens) => tokens.length)))
  const needed = completion + sum(groups.map(({ prompt, completions }) => prompt.length - completions.length))
  const padded = sum(
    groups.map(({ prompt, completions }) => completions.length * (prompt.length + Math.max(...completions.map((tokens) => tokens.length)))),
  )
  return { completion, needed, padded }
}
