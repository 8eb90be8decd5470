// Valid inputs, the starting points of mutation. All made up.
import { wordLevel } from './vocabulary.mjs'

const user = (content) => ({ role: 'user', content })
const assistant = (content) => ({ role: 'assistant', content })

const chain = 'Ann has 48 / 2 = <<48/2=24>>24 clips.\nTogether <<48+24=72>>72.\n#### 72'
export const ROWS = {
  groups: [
    {
      id: 'q-1',
      prompt: 'How many clips?',
      answer: '72',
      candidates: [
        { text: chain, positive: true, reference: true },
        { text: '#### 71', positive: false },
      ],
    },
    {
      prompt: 'Rank these.',
      candidates: [
        { text: 'good', reward: 2 },
        { text: 'fair', reward: 1.5 },
        { text: 'bad', reward: -1 },
      ],
    },
    { id: 'q-2', prompt: 'Only a question?', answer: '5' },
  ],
  gsm8k: [{ question: 'How many clips?', answer: chain }],
  qa: [
    { question: 'How many?', answer: '72' },
    { prompt: 'How many?', completion: chain, answer: '72' },
    { instruction: 'Add.', input: '1 2', output: '3' },
    { problem: 'Find x.', solution: 'So \\boxed{5}.' },
    { prompt: 'Q', response: 'The answer is 4.' },
    { messages: [{ role: 'system', content: 'Be brief.' }, user('How many?'), assistant('Two.'), user('Sure?'), assistant('#### 2')] },
  ],
  preference: [
    { prompt: 'Say hello.', chosen: 'Hello.', rejected: 'No.' },
    { prompt: [user('Say hello.')], chosen: [assistant('Hello.')], rejected: [assistant('No.')] },
    { chosen: [user('Hi'), assistant('Hello.')], rejected: [user('Hi'), assistant('No.')] },
    {
      chosen: [{ role: 'system', content: 'S' }, user('a'), assistant('b'), user('c'), assistant('d')],
      rejected: [{ role: 'system', content: 'S' }, user('a'), assistant('b'), user('c'), assistant('e')],
    },
  ],
  unpaired: [
    { prompt: 'Say hello.', completion: 'Hello.', label: true },
    { prompt: 'Say hello.', completion: 'No.', label: false },
    { prompt: [user('Say hello.')], completion: [assistant('Hello.')], label: 1 },
    {
      conversations: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello.' },
      ],
      kto_tag: 'true',
    },
  ],
  ranked: [
    {
      context: [user('Say hello.')],
      completions: [
        { rank: 0, completion: [assistant('Hello.')] },
        { rank: 1, completion: [assistant('No.')] },
      ],
    },
    {
      question: 'Which?',
      choices: ['a', 'b'],
      candidates: [
        { text: 'a', rating: 3 },
        { text: 'b', rating: 1 },
      ],
    },
  ],
  aqua: [{ question: 'How many?', options: ['A)21', 'B)22', 'C)23'], rationale: 'Because.', correct: 'B' }],
  ecqa: [
    {
      id: 'e-1',
      question: 'Where?',
      choices: [
        { label: 'A', text: 'home' },
        { label: 'B', text: 'sea' },
      ],
      answerKey: 'B',
      explanation: 'Because.',
      shortExplanation: 'So.',
    },
  ],
}

export const CONFIG_JSON = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 24,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  hidden_act: 'silu',
  max_position_embeddings: 32,
  initializer_range: 0.02,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  rope_parameters: { rope_theta: 10000, rope_type: 'default' },
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: [2, 3],
  pad_token_id: 0,
  torch_dtype: 'bfloat16',
}
export const GENERATION_CONFIG = {
  bos_token_id: 1,
  eos_token_id: [2, 3],
  pad_token_id: 0,
  temperature: 0.6,
  top_p: 0.9,
  do_sample: true,
  transformers_version: '4.45.0',
}

export const TEMPLATES = [
  "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}[{{ m['role'] }}] {{ system }} {{ m['content'] }}{% endfor %}",
  "{%- macro show(m) -%}{{ m.role }}: {{ m.content | upper }}{%- endmacro -%}{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ show(m) }}{{ ns.n }}\n{% endfor %}{{ strftime_now('%d %b %Y') if strftime_now is defined else '' }}",
]
export const TEMPLATE_PIECES = [
  ...[
    '{% for message in messages %}',
    '{% for i in range(3) %}',
    '{% for a in messages %}{% for b in messages %}',
    '{% endfor %}',
    '{% if true %}',
    '{% elif x %}',
    '{% else %}',
    '{% endif %}',
    '{% macro m(x) %}',
    '{% endmacro %}',
    '{% set x = [] %}',
    '{% set x = x + x %}',
    "{% set s = 'a' * 10 %}",
  ],
  ...[
    "{{ message['content'] }}",
    '{{ messages | length }}',
    '{{ messages | tojson }}',
    '{{ x }}',
    '{{ x.y.z }}',
    '{{ m(m) }}',
    '{{ m(1) }}',
    '{{ loop.index }}',
    "{{ 'a' * 3 }}",
    '{{ [1] * 3 }}',
    '{{ 1 / 0 }}',
    '{{ 2 ** 3 }}',
    "{{ raise_exception('no') }}",
    '{{ messages[0] }}',
    '{{ messages[-1:] }}',
    "{{ 'x' | replace('', 'yy') }}",
    '{{ range(5) | list }}',
    '{{ namespace }}',
    "{{ ''.__class__ }}",
    '{{ constructor }}',
    '{{ messages.constructor }}',
    '{# a comment #}',
    '{%- raw -%}{{ {%- endraw -%}',
  ],
  ...[
    '{{',
    '}}',
    '{%',
    '%}',
    '{{ (',
    '{{ [[',
    '|',
    "'",
    '{% include "x" %}',
    '{% import "x" as y %}',
    '{% break %}',
    '{% generation %}',
    '{% endgeneration %}',
    '{{ bos_token }}',
    '{% filter upper %}',
    '{% call m() %}',
  ],
]

export const CONVERSATIONS = [
  [user('How many?')],
  [{ role: 'system', content: 'Be brief.' }, user('a'), assistant('b'), user('c')],
  [user(''), assistant('{{ x }}'), { role: 'tool', content: 'x' }],
]

export const YAML = `model:
  architecture: &a { model_type: llama, hidden_size: 8, num_hidden_layers: 1 }
  tokenizer: tokenizer
  seed: 3
backend: { name: onnx, engines: 1, threads: 1 }
run: runs/x
plugins: []
prompt: { template: "{prompt}\\n" }
data:
  train: { path: train.jsonl, format: gsm8k, stripAnnotations: true }
  questions: { path: q.jsonl }
  test: test.jsonl
sft: { epochs: 2, batchSize: 8, learningRate: 1e-4, freeze: ["model.embed_tokens.*", "model.layers.{0..3}.*"] }
sample: { k: 4, temperature: 0.7, topP: 0.9, stop: ["\\n\\n"], maxNewTokens: 64 }
label: { name: answer, fallback: last-number, patterns: ['Answer: (\\d+)'] }
align:
  - &v
    name: one
    losses: [{ loss: sft }, { loss: ca, constraint: boundary, beta: 0.15 }]
    steps: 10
  - <<: *v
    name: two
    losses: [{ loss: dpo, dpoBeta: 0.1, lossType: sigmoid }]
  - { loss: rft, weighting: sample, steps: 4, name: three }
evaluate: { maxNewTokens: 64, control: one }
`
export const YAML_BITS = [
  ...[
    '&x [*x]',
    '*x',
    '&a [1,2]',
    '<<: *v',
    '!!js/function "x"',
    '!!binary aGk=',
    '!!set {a}',
    '!<tag:x> 1',
    '? [a, b] : c',
    '--- ',
    '...',
    '%YAML 1.1\n---\n',
    '|',
    '>-',
    '# c',
    '\t',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '@',
    '`',
    ': ',
    '- ',
    '1e999',
    '.inf',
    '-.inf',
    '.nan',
    '0x1F',
    '0o17',
    '1_000',
    '2024-01-01',
    'null',
    '~',
    'yes',
    'no',
    '__proto__: 1',
    'constructor: {}',
    '$import: x.yaml',
    '${env:HOME}',
  ],
]
export const OVERRIDES = [
  'sample.k=4',
  'align.0.learningRate=1e-4',
  'evaluate.stop=["\\n"]',
  'data.train.path=x',
  'sft.steps=0',
  'label=dataset',
  'align=[]',
  'align.0.losses.1.beta=0.2',
  'model=x',
  'backend.threads=2',
]

export const TOKENIZER = wordLevel()
export const TOKENIZER_CONFIG = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: '<s>',
  eos_token: '</s>',
  pad_token: '<pad>',
  unk_token: { content: '<unk>', special: true },
  add_bos_token: true,
  clean_up_tokenization_spaces: false,
  model_max_length: 1e30,
  chat_template: TEMPLATES[0],
}
