import { completionBlock, JOINED_TAIL_BLOCK, PLAIN, PROMPT_TAIL_BLOCK, promptBlock, type AttentionLayout } from './attention-layout'
import type { DType, Graph, Value } from './graph'

/** The graph inputs that describe one packed batch; `batch-feeds.ts` and `attention-feeds.ts` fill them. */
export class BatchInputs {
  constructor(
    private readonly graph: Graph,
    readonly layout: AttentionLayout = PLAIN,
    /** Words of a chunk of the output head; as many as pay when absent. */
    readonly wordsPerChunk?: number,
  ) {}

  get tokens(): Value {
    return this.input('tokens', 'int32')
  }
  get positions(): Value {
    return this.input('positions', 'int64')
  }
  get tailPositions(): Value {
    return this.input('tail_positions', 'int64')
  }
  /** Tail row of each scored token; the model passes it on, and the head reads the pairs below instead. */
  get scoredRows(): Value {
    return this.input('scored_rows', 'int64')
  }
  get scoredIds(): Value {
    return this.input('scored_ids', 'int64')
  }
  /** Tail row and word within a chunk of each scored token; any word of the chunk where the token is in another. [m, 2] */
  scoredPairs(chunk: number): Value {
    return this.input(`scored_pairs_${chunk}`, 'int64')
  }
  /** Tail row of each scored token, and column 0. [m, 2] */
  get scoredRowPairs(): Value {
    return this.input('scored_row_pairs', 'int64')
  }
  /** 1 for scored tokens of a chunk, 0 for others. [m] */
  scoredInChunk(chunk: number): Value {
    return this.input(`scored_in_${chunk}`)
  }
  /** Which scored token each completion row predicts; m for none. [completionRows] */
  get completionScored(): Value {
    return this.input('completion_scored', 'int32')
  }
  /** That token. [completionRows] */
  get completionIds(): Value {
    return this.input('completion_ids', 'int32')
  }
  /** The first scored token of each completion. [completions] */
  get firstScored(): Value {
    return this.input('first_scored', 'int32')
  }
  get firstIds(): Value {
    return this.input('first_ids', 'int32')
  }
  /** 1 where a completion belongs to a group. [completions, groups] */
  get firstGroups(): Value {
    return this.input('first_groups')
  }
  /** Cotangents of the scored tokens' log-probs. */
  get cotangent(): Value {
    return this.input('cotangent')
  }

  // What a GPU is fed in place of scored_rows, scored_ids and sums over repeated indices; `device-feeds.ts` fills it.

  /** Cell of every scored token among [tailRows · vocabulary]. [m] */
  get scoredCells(): Value {
    return this.input('scored_cells', 'int32')
  }
  /** The same without repetition. [c] */
  get distinctCells(): Value {
    return this.input('distinct_cells', 'int32')
  }
  /** Sum of the cotangents in each distinct cell. [c] */
  get cellCotangents(): Value {
    return this.input('cell_cotangents')
  }
  /** −Σ of each row's cotangents. [tailRows, 1] */
  get negativeRowCotangents(): Value {
    return this.input('negative_row_cotangents')
  }
  /** Which rows of a table, by token or by position, the packed rows were made from. */
  tableRows(of: 'token' | 'position'): TableRows {
    return {
      ofRow: this.input(`${of}_of_row`, 'int32'),
      numbers: this.input(`${of}_numbers`, 'int32'),
      distinct: this.input(`distinct_${of}s`, 'int64'),
    }
  }

  get tailStart(): Value {
    return this.input('tail_start', 'int64')
  }
  get tailPadding(): Value {
    return this.input('tail_padding', 'int64')
  }
  /** Length of the longest prompt, as int64 [1]. */
  get maxPrompt(): Value {
    return this.input('max_prompt', 'int64')
  }
  /** Lengthens the key cotangents of a chunk of the prompts, other than the last, to all prompt positions. */
  promptChunkPadding(chunk: number): Value {
    return this.input(`prompt_chunk_padding_${chunk}`, 'int64')
  }
  /** Blocks of prompt queries: all of them, or the last row of each prompt alone. None where they stand among the completions. */
  promptBlocks(queries: 'all' | 'tail'): AttentionInputs[] {
    if (this.isJoined) return []
    if (queries === 'tail') return [this.block(PROMPT_TAIL_BLOCK, queries)]
    return range(this.layout.promptChunks).map((chunk) => this.block(promptBlock(chunk), queries))
  }
  /** Blocks of completion queries over prompt and completion, by class and chunk. */
  completionBlocks(queries: 'all' | 'tail'): CompletionInputs[][] {
    return range(this.layout.classes).map((group) =>
      range(this.layout.chunks).map((chunk) => {
        const name = this.isJoined && queries === 'tail' ? JOINED_TAIL_BLOCK : completionBlock(group, chunk)
        return { ...this.block(name, queries), slotGroups: this.input(`${name}_slot_groups`) }
      }),
    )
  }

  /** Where each row's heads stand among the query slots of all blocks. [rows · heads] */
  back(queries: 'all' | 'tail'): Value {
    return this.input(`${queries}_back`, 'int32')
  }
  /** Where each prompt row's keys stand among the prompts' key slots. [promptRows · kvHeads] */
  get promptKeysBack(): Value {
    return this.input('prompt_keys_back', 'int32')
  }
  /** Where each completion row's keys stand among the own key slots of a chunk's blocks. [completionRows · kvHeads] */
  completionKeysBack(chunk: number): Value {
    return this.input(`completion_keys_back_${chunk}`, 'int32')
  }

  private get isJoined(): boolean {
    return this.layout.promptChunks === 0
  }

  private input(name: string, dtype?: DType): Value {
    return this.graph.input(name, dtype)
  }

  private block(name: string, queries: 'all' | 'tail'): AttentionInputs {
    return {
      // Completion rows are the same in both; only their offset differs.
      queries: this.input(`${name}_${queries}_queries`, 'int32'),
      keys: this.input(`${name}_keys`, 'int32'),
      queryPositions: this.input(`${name}_query_positions`, 'int32'),
      keyPositions: this.input(`${name}_key_positions`, 'int32'),
      live: this.input(`${name}_live`),
      headShape: this.input(`${name}_head_shape`, 'int64'),
      matrixShape: this.input(`${name}_matrix_shape`, 'int64'),
    }
  }
}

export interface TableRows {
  /** Which of the distinct ids each row holds. [1, rows] */
  readonly ofRow: Value
  /** 0 … u − 1. [u, 1] */
  readonly numbers: Value
  /** The distinct ids. [u, 1] */
  readonly distinct: Value
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i)

/** One attention in slots: S sequences, H = kvHeads · repeat heads, L query slots, T key slots. */
export interface AttentionInputs {
  /** Row of each query slot among [rows · H]; 0 in padding. [S, kvHeads, repeat · L] */
  readonly queries: Value
  /** Row of each key slot among [rows · kvHeads]; 0 in padding. [S, kvHeads, T] */
  readonly keys: Value
  /** [S or 1, 1, 1, L, 1] */
  readonly queryPositions: Value
  /** A key is seen by queries at its position and later; padding has one that is never reached. [S or 1, 1, 1, 1, T] */
  readonly keyPositions: Value
  /** 1 for query slots that hold a row, 0 for padding. [S, 1, repeat · L, 1] */
  readonly live: Value
  /** [S, kvHeads, repeat, L, T] */
  readonly headShape: Value
  /** [S, kvHeads, repeat · L, T] */
  readonly matrixShape: Value
}

/** A block of completions, and of prompts that stand among them: its keys are the prompt's, up to the longest prompt, then the completions' own. */
export interface CompletionInputs extends AttentionInputs {
  /** 1 where a slot belongs to a group. [S, groups] */
  readonly slotGroups: Value
}
