/** What a tensor's numbers are. Those of 16 bits are stored only: weights, which are fed as their bits (see `widened`). */
export type DType = 'float32' | 'int32' | 'int64' | 'bool' | 'bfloat16' | 'float16'

/** TensorProto.DataType */
export const ELEMENT_TYPE: Readonly<Record<DType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10, bfloat16: 16 }

const UINT16 = 4

/** What a model says that it is fed. */
export const fedType = (dtype: DType): number => (dtype === 'bfloat16' || dtype === 'float16' ? UINT16 : ELEMENT_TYPE[dtype])
