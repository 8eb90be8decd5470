import { runConfig, type RunEvent } from '../../src'
import { world } from '../support/world'

/** What a run says of stage 1's learning. */
async function said(learningRate: number, validation: boolean): Promise<string[]> {
  const sft = { steps: 8, batchSize: 4, learningRate, schedule: 'constant' as const }
  const made = await world({ config: { sft } })
  const data = made.config.data
  const config = validation ? { ...made.config, data: { ...data, validation: data.train } } : made.config
  const messages: string[] = []
  const onEvent = (event: RunEvent) => {
    if (event.type === 'notice' && event.message.includes('no better than chance')) messages.push(event.message)
  }
  await runConfig({ ...made, config, last: 'sft', onEvent })
  return messages
}

describe('a stage 1 that learnt nothing', () => {
  it.each([true, false])('says so (validation: %s), since its figures look like figures', async (validation) => {
    const [message, ...more] = await said(1e-9, validation)
    expect(message).toMatch(
      /^sft: the model predicts right chains no better than chance in the end \(\d\.\d{3} a token; ln\(\d+\) is \d\.\d{3}\)/,
    )
    expect(more).toEqual([])
  })

  it.each([true, false])('and one that learnt does not (validation: %s)', async (validation) => {
    expect(await said(0.3, validation)).toEqual([])
  })
})
