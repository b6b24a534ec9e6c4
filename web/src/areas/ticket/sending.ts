import { call, callOther, Refusal, type Schemas } from '@/api/client'
import { session, whenOther } from '@/api/session'
import { Store } from '@/lib/store'
import { live } from '@/live/live'
import { body, clientOrderId, type Wish } from './logic'

// What was sent and has no answer yet is never sent again by itself: it is asked for by its client order id, from the
// books and from the account's events, until it is known what became of it. Nothing of it is kept beyond this page, nor
// for another account.

export interface Sent {
  id: string // the client order id
  wish: Wish
  /**
   * draft: written without a network, waits for the investor's word; sending: no answer yet; asking: the answer was
   * lost; missing: the books do not have it, and can no longer get it; taken, refused: answered.
   */
  state: 'draft' | 'sending' | 'asking' | 'missing' | 'taken' | 'refused'
  at: number // when it was written, or sent last: this machine's time
  took?: number // milliseconds until the answer
  order?: Schemas['Order']
  refusal?: Refusal
}

export const sents = new Store<Sent[]>([])

/** The server answers within 20 s or not at all: what the books do not have after so long, they will not get. */
export const certain = 25_000
const most = 50
/** Pauses between two questions about what has no answer; the last one again and again. */
export const between = [250, 500, 1000, 2000, 3000]

function change(id: string, to: Partial<Sent>): void {
  sents.set((list) => list.map((one) => (one.id === id ? { ...one, ...to } : one)))
}

const find = (id: string): Sent | undefined => sents.get().find((one) => one.id === id)
const waits = (one: Sent | undefined): boolean => one?.state === 'sending' || one?.state === 'asking'

/** Sends an order, or keeps it as a draft where there is no network. Returns when its fate is known, or asked for. */
export async function send(wish: Wish): Promise<Sent> {
  const offline = live.link.get().state === 'offline'
  const one: Sent = { id: clientOrderId(offline ? 0 : live.time()), wish, state: 'draft', at: Date.now() }
  sents.set((list) => [one, ...list].slice(0, most))
  if (offline) return one
  return release(one.id)
}

/** Sends a draft, or what is missing, by the investor's word: under the same id, so that it can never be two orders. */
export async function release(id: string): Promise<Sent> {
  const one = find(id)
  if (!one || (one.state !== 'draft' && one.state !== 'missing')) throw new Error(`${id} cannot be sent`)
  change(id, { state: 'sending', at: Date.now() })
  const began = performance.now()
  try {
    const order = await call('post', '/api/v1/orders', { body: body(one.wish, id) })
    taken(id, order, performance.now() - began)
  } catch (error) {
    if (!waits(find(id))) return find(id) ?? left(one) // its event was faster than the answer that was lost
    if (!(error instanceof Refusal) || error.unknown) {
      change(id, { state: 'asking' })
      void inquire(id)
    } else change(id, { state: 'refused', refusal: error, took: performance.now() - began })
  }
  return find(id) ?? left(one)
}

/** An order that left, whose list was forgotten meanwhile: another account may be here by now. */
const left = (one: Sent): Sent => ({ ...one, state: 'asking' })

function taken(id: string, order: Schemas['Order'], took?: number): void {
  const before = find(id)
  if (!before) return
  change(id, { state: 'taken', order, refusal: undefined, ...(waits(before) ? { took: took ?? Date.now() - before.at } : {}) })
}

/** Waits so long, or until the connection is back: then the answer can be had, and the screen has to be right at once. */
export function patience(ms: number): Promise<void> {
  return new Promise((then) => {
    const over = () => { clearTimeout(timer); deaf(); then() }
    const timer = setTimeout(over, ms)
    const deaf = live.comeback(over)
  })
}

/** Asks what became of an order until it is known. */
async function inquire(id: string): Promise<void> {
  for (let n = 0; find(id)?.state === 'asking'; n++) {
    await patience(between[Math.min(n, between.length - 1)]!)
    const one = find(id)
    if (one?.state !== 'asking') return
    const late = Date.now() - one.at > certain // before it is asked: what comes later cannot have been missed
    try {
      const order = await callOther<Schemas['Order']>('get', `/v2/orders:by_client_order_id?client_order_id=${encodeURIComponent(id)}`)
      taken(id, order)
    } catch (error) {
      const gone = error instanceof Refusal && error.status === 404 && !error.reason.startsWith('HTTP_') // in the house's own words
      if (gone && late && !live.status.get()?.stale && find(id)?.state === 'asking') change(id, { state: 'missing' })
      if (error instanceof Refusal && error.status === 401) await back()
    }
  }
}

/** Waits until somebody is logged in: the same account, since what another one finds here is forgotten. */
function back(): Promise<void> {
  return new Promise((then) => {
    const look = () => {
      if (session.get().state !== 'somebody') return
      deaf()
      then()
    }
    const deaf = session.follow(look)
    look()
  })
}

/** Takes a draft, or what has its answer, off the list. */
export function forget(id: string): void {
  if (waits(find(id))) return
  sents.set((list) => list.filter((one) => one.id !== id))
}

/** The account's events tell of orders too, often before the answer does. */
export function followEvents(): () => void {
  return live.hear((event) => {
    const order = event.order
    if (order && find(order.client_order_id)) taken(order.client_order_id, order)
  })
}

followEvents()
whenOther(() => sents.set([]))
