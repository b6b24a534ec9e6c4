import type { Area } from '../area'

// The account's orders, positions and trades, as parts that /trade and /account are made of.
export const area: Area = { name: 'blotter', routes: [] }
