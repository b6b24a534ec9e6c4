import { page, type Area } from '../area'

export const area: Area = {
  name: 'settings',
  routes: [{ path: '/settings', page: page('settings', () => import('./Page')) }],
  nav: { order: 4, icon: 'settings', path: '/settings', phone: true },
}
