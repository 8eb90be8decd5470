import { definePlugin } from '@plumbline/core'
import { TableBackend, tableOptions } from './table-backend'

export { TableBackend, tableOptions } from './table-backend'

export default definePlugin({
  name: 'plumbline-plugin-template',
  apiVersion: 1,
  register: (registry) => registry.backend('template-name', { options: tableOptions, create: (options) => new TableBackend(options) }),
})
