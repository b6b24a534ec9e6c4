import { page, type Area } from '../area'

const load = page('market', () => import('./Page'), 'watch', 'ticket')

export const area: Area = {
  name: 'market',
  routes: [{ path: '/market', page: load }, { path: '/market/:group', page: load }],
  nav: { order: 1, icon: 'market', path: '/market', phone: true },
}
