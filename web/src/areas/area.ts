import { lazy, type ComponentType } from 'react'
import { texts } from '@/i18n'
import type { IconName } from '@/ui/Icon'

// An area is a folder of src/areas with an index.ts that exports `area`. Folders are found by name: a new one needs no
// change elsewhere.

export interface Route {
  /** As wouter has it: /security/:symbol */
  path: string
  page: ComponentType<{ params: Record<string, string | undefined> }>
  /** Seen without a login. */
  open?: boolean
  /** Only for staff: others are told that there is no such page. */
  staff?: boolean
}

export interface Area {
  name: string
  routes: Route[]
  /** In the navigation, by order; its label is nav.<name> of the common texts. */
  nav?: { order: number; icon: IconName; path: string; /** only for staff */ staff?: boolean; /** among the phone's bottom tabs */ phone?: boolean }
}

const found = import.meta.glob<{ area: Area }>('./*/index.ts', { eager: true })

export const areas: Area[] = Object.values(found).map((file) => file.area)

/** A page that is fetched when it is first shown, or before by `fetchPage`, together with the texts of its area and of others whose words it uses. */
export function page(area: string, load: () => Promise<{ default: ComponentType<never> }>, ...others: string[]): Route['page'] {
  let fetched: Promise<{ default: Route['page'] }> | undefined
  const fetch = () => (fetched ??= Promise.all([load(), texts(area, ...others)]).then(([loaded]) => loaded as { default: Route['page'] }))
  return Object.assign(lazy(fetch), { fetch: () => void fetch().catch(() => { fetched = undefined }) }) // who shows it tries again, and says what is wrong
}

/** Fetches the page of an address, so that it is there when it is known who asks for it. */
export function fetchPage(path: string): void {
  const first = `/${path.split('/')[1] || 'market'}`
  const route = areas.flatMap((area) => area.routes).find((r) => r.path === first || r.path.startsWith(`${first}/`))
  if (route && 'fetch' in route.page) (route.page.fetch as () => void)()
}
