import { page, type Area } from '../area'

export const area: Area = {
  name: 'account',
  routes: [{ path: '/account', page: page('account', () => import('./Page'), 'blotter') }],
  nav: { order: 3, icon: 'account', path: '/account', phone: true },
}
