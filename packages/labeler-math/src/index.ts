import { answerOptions, definePlugin } from '@plumbline/core'
import { MathLabeler } from './MathLabeler'

export { compareAnswers, type Verdict } from './compare'
export { MathLabeler } from './MathLabeler'
export { ready } from './value'

export default definePlugin({
  name: '@plumbline/labeler-math',
  apiVersion: 1,
  register: (registry) => registry.labeler('math', { options: answerOptions, create: (options) => new MathLabeler(options) }),
})
