import { page, type Area } from '../area'

export const area: Area = { name: 'security', routes: [{ path: '/security/:symbol', page: page('security', () => import('./Page')) }] }
