import type { Area } from '../area'

// The account's groups of securities have no page of their own: /market shows them, and a security's page puts it in.
export const area: Area = { name: 'watch', routes: [] }
