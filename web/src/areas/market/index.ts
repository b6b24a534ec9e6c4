import { texts } from '@/i18n'
import { page, type Area } from '../area'

const load = page('market', async () => {
  await texts('watch', 'ticket')
  return import('./Page')
})

export const area: Area = {
  name: 'market',
  routes: [{ path: '/market', page: load }, { path: '/market/:group', page: load }],
  nav: { order: 1, icon: 'market', path: '/market', phone: true },
}
