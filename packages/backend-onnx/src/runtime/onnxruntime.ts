import type * as Ort from 'onnxruntime-common'
import { loadRuntime } from './load-runtime'

export const { InferenceSession, Tensor } = loadRuntime()
export type InferenceSession = Ort.InferenceSession
export type Tensor = Ort.Tensor
export type SessionOptions = Ort.InferenceSession.SessionOptions
