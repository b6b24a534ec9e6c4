import { lazy, Suspense, useEffect } from 'react'
import { useLocation } from 'wouter'
import { useSession } from '@/api/session'
import { areas } from '@/areas/area'
import { isUnder, tour } from '@/areas/help/tour'
import { useHabit } from '@/lib/preferences'
import { useStore } from '@/lib/store'

// Who never sees the tour does not fetch it, and one that cannot be fetched is no reason to stop.
const Tour = lazy(() => import('@/areas/help/Tour').catch(() => ({ default: () => null })))

const staffPages = areas.flatMap((area) => area.routes.filter((route) => route.staff).map((route) => route.path))

/**
 * The first-run tour, where it is to be seen: when somebody asked for it, or when an investor who has not had it stands
 * before the board, where a login ends. Staff are not asked, and pages for staff never show it.
 */
export function Guide() {
  const [toured] = useHabit('help', 'toured', false)
  const [path] = useLocation()
  const session = useSession()
  const running = useStore(tour) !== undefined
  useEffect(() => () => tour.set(undefined), []) // a tour ends with the session in which it was begun
  if (session.state !== 'somebody' || staffPages.some((page) => isUnder(path, page))) return null
  const due = !toured && isUnder(path, '/market') && !session.account.permissions.includes('operate')
  return running || due ? <Suspense fallback={null}><Tour /></Suspense> : null
}
