import { page, type Area } from '../area'

export const area: Area = { name: 'login', routes: [{ path: '/login', open: true, page: page('login', () => import('./Page')) }] }
