import { page, type Area } from '../area'

export const area: Area = {
  name: 'trade',
  routes: [{ path: '/trade', page: page('trade', () => import('./Page')) }],
  nav: { order: 2, icon: 'trade', path: '/trade', phone: true },
}
