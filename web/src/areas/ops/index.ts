import { page, type Area } from '../area'

export const area: Area = {
  name: 'ops',
  routes: [{ path: '/ops', page: page('ops', () => import('./Page')), staff: true }],
  nav: { order: 5, icon: 'ops', path: '/ops', staff: true, phone: true },
}
