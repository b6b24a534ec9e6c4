import { page, type Area } from '../area'

export const area: Area = {
  name: 'market',
  routes: [{ path: '/market', page: page('market', () => import('./Page')) }],
  nav: { order: 1, icon: 'market', path: '/market', phone: true },
}
