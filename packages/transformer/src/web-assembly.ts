/** As much of WebAssembly's JavaScript interface as the kernels use; TypeScript declares it only among the browser's types. */
interface WebAssemblyApi {
  readonly Memory: new (descriptor: { readonly initial: number }) => WasmMemory
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: unknown }
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer
  /** By pages; the buffer of before is then of no length. @throws RangeError where the system gives no more. */
  grow(pages: number): number
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly
