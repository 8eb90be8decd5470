import { z } from 'zod'
import type { DatasetReader } from '../seams/dataset'
import { ANSWERS_OF_OTHERS } from './columns'
import { idSchema, textSchema } from './fields'
import { jsonLinesReader } from './rows'

export const gsm8kOptions = z.strictObject({
  stripAnnotations: z.boolean().default(false).describe('Take the calculator annotations `<<48/2=24>>` out of the chains.'),
})

const rowSchema = z.looseObject({ id: idSchema, question: textSchema, answer: textSchema })

/** GSM8K (Cobbe et al., arXiv:2110.14168): `{ question, answer }`, the answer being a chain that ends in `#### 72`. */
export function gsm8kReader({ stripAnnotations }: z.output<typeof gsm8kOptions>): DatasetReader {
  return jsonLinesReader(
    'gsm8k',
    (row) => {
      const { id, question, answer: chain } = row.as(rowSchema)
      const marker = chain.lastIndexOf('####')
      const answer = marker < 0 ? '' : chain.slice(marker + 4).trim()
      if (answer === '') {
        throw row.misfit('"answer" must end with the final answer behind "####", as in "#### 72".', 'PLUMB_DATA_NO_ANSWER')
      }
      const text = (stripAnnotations ? chain.replace(/<<[^>]*>>/g, '') : chain).trim()
      return { id, prompt: question, answer, candidates: [{ text, positive: true, reference: true }] }
    },
    { fields: Object.keys(rowSchema.shape), answers: ANSWERS_OF_OTHERS, marks: true },
  )
}
