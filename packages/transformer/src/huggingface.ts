/**
 * The two Hugging Face packages behind a narrow typed door. They ship a CommonJS build, but TypeScript takes their
 * declarations for ES modules ("type": "module"), which a CommonJS package may not import.
 */

export interface HuggingFaceTokenizer {
  /** Unicode normalisation and the like; null where the text is taken as it is. */
  readonly normalizer: ((text: string) => string) | null
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] }
  decode(ids: readonly number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string
  token_to_id(token: string): number | undefined
  id_to_token(id: number): string | undefined
  get_vocab(): Map<string | undefined, number>
}

interface TokenizersPackage {
  readonly Tokenizer: new (tokenizerJson: object, tokenizerConfig: object) => HuggingFaceTokenizer
}

/** A value of a template while it is rendered. */
export interface JinjaValue {
  readonly type: string
  readonly value: unknown
  __bool__(): { readonly value: boolean }
}

/** A node of a parsed template; what it holds depends on its type. */
export interface JinjaNode {
  readonly type: string
}

export interface JinjaEnvironment {
  /** Declares a variable of the template, from a JavaScript value. */
  set(name: string, value: unknown): JinjaValue
  setVariable(name: string, value: JinjaValue): JinjaValue
  lookupVariable(name: string): JinjaValue
}

/** Methods of the package's interpreter that `jinja/interpreter.ts` replaces or calls; the version is pinned for their sake. */
export interface JinjaInterpreter {
  evaluate(node: JinjaNode | undefined, environment: JinjaEnvironment): JinjaValue
  evaluateArguments(args: readonly JinjaNode[], environment: JinjaEnvironment): [JinjaValue[], Map<string, JinjaValue>]
  evaluateBlock(statements: readonly JinjaNode[], environment: JinjaEnvironment): JinjaValue
  evaluateFor(node: JinjaNode, environment: JinjaEnvironment): JinjaValue
  evaluateBinaryExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue
  evaluateTestExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue
  evaluateMemberExpression(node: JinjaNode, environment: JinjaEnvironment): JinjaValue
  applyFilter(operand: JinjaValue, filter: JinjaNode, environment: JinjaEnvironment): JinjaValue
}

interface JinjaPackage {
  readonly Environment: new (parent?: JinjaEnvironment) => JinjaEnvironment
  readonly Interpreter: new (environment?: JinjaEnvironment) => JinjaInterpreter
  tokenize(source: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): unknown
  parse(tokens: unknown): JinjaNode
}

/* oxlint-disable typescript/no-require-imports -- see above */
export const { Tokenizer } = require('@huggingface/tokenizers') as TokenizersPackage
export const jinja = require('@huggingface/jinja') as JinjaPackage
