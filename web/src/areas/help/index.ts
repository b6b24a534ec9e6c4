import { page, type Area } from '../area'

export const area: Area = {
  name: 'help',
  // The other areas are those whose words it explains, by i18next's $t(...).
  routes: [{ path: '/help', page: page('help', () => import('./Page'), 'ticket', 'blotter', 'account', 'security') }],
  nav: { order: 6, icon: 'help', path: '/help', phone: true },
}
