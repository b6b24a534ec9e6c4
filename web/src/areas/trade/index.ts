import { page, type Area } from '../area'

const load = page('trade', () => import('./Page'), 'ticket', 'blotter')

export const area: Area = {
  name: 'trade',
  routes: [{ path: '/trade', page: load }, { path: '/trade/:symbol', page: load }],
  nav: { order: 2, icon: 'trade', path: '/trade', phone: true },
}
