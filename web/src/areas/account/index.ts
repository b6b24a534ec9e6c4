import { texts } from '@/i18n'
import { page, type Area } from '../area'

export const area: Area = {
  name: 'account',
  routes: [{ path: '/account', page: page('account', async () => { await texts('blotter'); return import('./Page') }) }],
  nav: { order: 3, icon: 'account', path: '/account', phone: true },
}
