import type { ParameterSpec } from './architecture'
import type { WeightTensor } from './safetensors'

/** As files hold it: `transformers` keeps some matrices as [in, out]. */
export function storedShape({ shape, isTransposed = false }: ParameterSpec): readonly number[] {
  return isTransposed ? [...shape].reverse() : shape
}

/** A matrix as files hold it. */
export function asStored(spec: ParameterSpec | undefined, tensor: WeightTensor): WeightTensor {
  return spec?.isTransposed ? { shape: [...tensor.shape].reverse(), data: transposed(tensor.data, tensor.shape) } : tensor
}

export function transposed<T extends Float32Array | Uint16Array>(data: T, shape: readonly number[]): T {
  const [rows, columns] = shape as [number, number]
  const result = data.slice() as T
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!
  return result
}
