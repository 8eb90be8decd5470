import { z } from 'zod'
import { aquaReader, ecqaReader } from '../data/choices'
import { messagesReader } from '../data/chat'
import { groupsReader } from '../data/groups'
import { gsm8kOptions, gsm8kReader } from '../data/gsm8k'
import { preferenceOptions, preferenceReader } from '../data/preference'
import { qaOptions, qaReader } from '../data/qa'
import { rankedReader } from '../data/ranked'
import { unpairedOptions, unpairedReader } from '../data/unpaired'
import { AnswerLabeler, answerOptions } from '../labelers/answer'
import { DatasetLabeler } from '../labelers/dataset'
import { DatasetSampler } from '../samplers/dataset'
import { PolicySampler } from '../samplers/policy'
import { CORE_VERSION } from '../version'
import { definePlugin, PLUGIN_API_VERSION } from '../seams/plugin'

const none = z.strictObject({})

/** What core brings itself: the dataset readers, the labelers `answer` and `dataset`, the samplers `policy` and `dataset`. */
export const corePlugin = definePlugin({
  name: '@plumbline/core',
  apiVersion: PLUGIN_API_VERSION,
  version: CORE_VERSION,
  register(registry) {
    registry.dataset('groups', { options: none, create: () => groupsReader })
    registry.dataset('qa', { options: qaOptions, create: qaReader })
    registry.dataset('gsm8k', { options: gsm8kOptions, create: gsm8kReader })
    registry.dataset('preference', { options: preferenceOptions, create: preferenceReader })
    registry.dataset('unpaired', { options: unpairedOptions, create: unpairedReader })
    registry.dataset('messages', { options: none, create: () => messagesReader })
    registry.dataset('ranked', { options: none, create: rankedReader })
    registry.dataset('aqua', { options: none, create: () => aquaReader })
    registry.dataset('ecqa', { options: none, create: () => ecqaReader })
    registry.labeler('answer', { options: answerOptions, create: (options) => new AnswerLabeler(options) })
    registry.labeler('dataset', { options: none, create: () => new DatasetLabeler() })
    registry.sampler('policy', { options: none, create: () => new PolicySampler() })
    registry.sampler('dataset', { options: none, create: () => new DatasetSampler() })
  },
})
