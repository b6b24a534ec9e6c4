import { texts } from '@/i18n'
import { page, type Area } from '../area'

const load = page('security', async () => {
  await texts('ticket', 'blotter', 'watch')
  return import('./Page')
})

export const area: Area = { name: 'security', routes: [{ path: '/security/:symbol', page: load }] }
