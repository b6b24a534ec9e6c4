import { texts } from '@/i18n'
import { page, type Area } from '../area'

export const area: Area = {
  name: 'help',
  routes: [{ path: '/help', page: page('help', async () => {
    await texts('ticket', 'blotter', 'account', 'security') // whose words it explains, by i18next's $t(...)
    return import('./Page')
  }) }],
  nav: { order: 6, icon: 'help', path: '/help', phone: true },
}
