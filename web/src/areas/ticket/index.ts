import type { Area } from '../area'

// The ticket has no page of its own: /trade shows it, and so may any other page. See intent.ts.
export const area: Area = { name: 'ticket', routes: [] }
