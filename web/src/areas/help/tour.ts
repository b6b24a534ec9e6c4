import { Store } from '@/lib/store'

/** One thing that the tour shows: the element marked data-tour=`at`, and the page on which it stands if not on every. */
export interface Step { key: string; at: string; page?: string }

export const steps: readonly Step[] = [
  { key: 'market', at: 'market', page: '/market' },
  { key: 'search', at: 'search' },
  { key: 'honesty', at: 'age', page: '/market' },
  { key: 'ticket', at: 'ticket', page: '/trade' },
  { key: 'blotter', at: 'blotter', page: '/trade' },
  { key: 'settings', at: 'nav-settings' },
  { key: 'help', at: 'nav-help' },
]

/** The step that is shown, of whatever page; undefined: none. */
export const tour = new Store<number | undefined>(undefined)

export const isUnder = (path: string, page: string): boolean => path === page || path.startsWith(`${page}/`)

/** Where somebody has to go for a step; undefined: he may stay. */
export function pageFor(step: number, path: string): string | undefined {
  const page = steps[step]?.page
  return page && !isUnder(path, page) ? page : undefined
}

export interface Size { width: number; height: number }
export interface Box extends Size { left: number; top: number }

const gap = 10 // between what is pointed at and the card
const margin = 8 // of the window

/** Where the card stands: beside the target where there is room, else in its lower corner; in the window's without one. */
export function place(target: Box | undefined, card: Size, view: Size): { left: number; top: number } {
  const within = (at: number, size: number, room: number) => Math.max(margin, Math.min(at, room - size - margin))
  const at = (left: number, top: number) => ({ left: within(left, card.width, view.width), top: within(top, card.height, view.height) })
  if (!target) return at(view.width, view.height)
  const right = target.left + target.width + gap
  const below = target.top + target.height + gap
  const left = target.left - gap - card.width
  const above = target.top - gap - card.height
  const middle = target.left + target.width / 2 - card.width / 2
  if (right + card.width + margin <= view.width) return at(right, target.top)
  if (below + card.height + margin <= view.height) return at(middle, below)
  if (left >= margin) return at(left, target.top)
  if (above >= margin) return at(middle, above)
  return at(target.left + target.width - card.width - gap, target.top + target.height - card.height - gap)
}

/** The part of a target that is seen in a window or in what scrolls in it; undefined when nothing is. */
export function seen(target: Box, room: Box): Box | undefined {
  const [left, top] = [Math.max(target.left, room.left), Math.max(target.top, room.top)]
  const width = Math.min(target.left + target.width, room.left + room.width) - left
  const height = Math.min(target.top + target.height, room.top + room.height) - top
  return width > 0 && height > 0 ? { left, top, width, height } : undefined
}
