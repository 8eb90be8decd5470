import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PlumbError } from '@plumbline/core'

/** Writes a folder whole or not at all: beside its place first, then renamed. */
export async function writeFolder(folder: string, files: Readonly<Record<string, string | Float64Array>>): Promise<void> {
  const unfinished = `${folder}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    await writeFile(
      join(unfinished, name),
      typeof content === 'string' ? content : new Uint8Array(content.buffer, content.byteOffset, content.byteLength),
    )
  }
  await rm(folder, { recursive: true, force: true })
  await rename(unfinished, folder)
}

export async function readNumbers(file: string, length: number): Promise<Float64Array> {
  const bytes = await readFile(file)
  if (bytes.byteLength !== 8 * length) {
    throw new PlumbError('PLUMB_MODEL_TENSOR_SHAPE', `The file has ${bytes.byteLength} bytes; ${8 * length} were expected.`, file)
  }
  return new Float64Array(new Uint8Array(bytes).buffer)
}
