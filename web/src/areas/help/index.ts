import { page, type Area } from '../area'

export const area: Area = {
  name: 'help',
  routes: [{ path: '/help', page: page('help', () => import('./Page')) }],
  nav: { order: 6, icon: 'help', path: '/help', phone: true },
}
