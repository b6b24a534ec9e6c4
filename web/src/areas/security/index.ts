import { page, type Area } from '../area'

const load = page('security', () => import('./Page'), 'ticket', 'blotter', 'watch')

export const area: Area = { name: 'security', routes: [{ path: '/security/:symbol', page: load }] }
