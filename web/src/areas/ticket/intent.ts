import { Store } from '@/lib/store'

/** What somebody wants to trade: a page says it (a click on a price of the depth), the ticket takes it up. */
export interface Intent {
  symbol: string
  side?: 'buy' | 'sell'
  price?: string
}

const store = new Store<Intent | undefined>(undefined)

export const intent = {
  get: store.get,
  /** The same intent said twice is two intents: the second click fills the ticket again. */
  set: (next: Intent): void => store.set({ ...next }),
  /** Tells of each intent; the returned function ends it. */
  subscribe: (listener: (next: Intent) => void): (() => void) => store.follow(() => {
    const next = store.get()
    if (next) listener(next)
  }),
}
