import { queries } from '@/api/query'
import type { Schemas } from '@/api/client'
import { i18n, texts } from '@/i18n'
import { live, type AccountEvent } from '@/live/live'
import { toast } from '@/ui/Toast'
import { sents } from '../ticket/sending'
import { whyOf } from './data'

// The account's events change what the cache holds at once, and have everything asked for again when they pause: a list
// that was on its way when the event came would else put back what is over, and stay so. Fills and
// what the exchange refused are said aloud, wherever the reader is.

export const isDone = (order: { status: string }): boolean => ['FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED', 'REPLACED'].includes(order.status)

type Orders = Schemas['Order'][]

/** Puts an order where it belongs in a list, newest first; an older word of it changes nothing. */
export function withOrder(list: Orders, order: Schemas['Order'], only?: 'open'): Orders {
  const had = list.find((one) => one.id === order.id)
  if (had && had.updated_at > order.updated_at) return list
  const rest = had ? list.filter((one) => one.id !== order.id) : list
  if (only === 'open' && isDone(order)) return rest
  const at = rest.findIndex((one) => one.created_at < order.created_at)
  return at < 0 ? [...rest, order] : [...rest.slice(0, at), order, ...rest.slice(at)]
}

const newest = new Map<string, string>() // order id: when the newest word of it is from
const remembered = 2000

/** Whether this is the newest word of an order: the answer to a command may come after the event of its fill. */
export function isNews(order: Pick<Schemas['Order'], 'id' | 'updated_at'>): boolean {
  const known = newest.get(order.id)
  if (known !== undefined && known > order.updated_at) return false
  newest.delete(order.id)
  newest.set(order.id, order.updated_at)
  if (newest.size > remembered) newest.delete(newest.keys().next().value!)
  return true
}

/** What is known of an order goes into the lists that are shown. */
export function learn(order: Schemas['Order']): void {
  if (!isNews(order)) return
  queries.setQueryData<Orders>(['orders', 'open'], (list) => list && withOrder(list, order, 'open'))
  queries.setQueryData<Orders>(['orders', 'all'], (list) => list && withOrder(list, order))
}

const quiet = 250 // without an event for so long, what the events did not tell is asked for
const longest = 1000 // and after so long at the latest: somebody who trades without a pause sees his money move
const latest = 1500 // and after so long even while an order is on its way
let timer: ReturnType<typeof setTimeout> | undefined
let first = 0 // performance.now() of the first event that is not asked about yet

/**
 * Asks again for everything that an event may have changed, once the events pause: who sends order after order would
 * otherwise wait for lists of all his orders, fetched and compared between a click and its answer. While an order is on
 * its way they wait as well, up to `latest`.
 */
function askSoon(): void {
  const now = performance.now()
  if (timer === undefined) first = now
  clearTimeout(timer)
  const ask = () => {
    if (performance.now() < first + latest && sents.get().some((one) => one.state === 'sending')) {
      timer = setTimeout(ask, 50)
      return
    }
    timer = undefined
    for (const name of ['orders', 'account', 'trades', 'activities', 'preview', 'equity']) void queries.invalidateQueries({ queryKey: [name] })
  }
  timer = setTimeout(ask, Math.min(quiet, Math.max(0, first + longest - now)))
}

async function say(event: AccountEvent): Promise<void> {
  const order = event.order
  if (!order) return
  await texts('blotter')
  const t = i18n.getFixedT(null, 'blotter')
  const what = { side: t(`side.${order.side}`), name: order.cn.name, symbol: order.symbol }
  if (event.kind === 'ORDER_TRADED' && event.trade) toast('good', t('said.filled', { ...what, quantity: event.trade.quantity, price: event.trade.price }), t('said.filledOf', { filled: order.filled_qty, of: order.qty }))
  if (event.kind === 'ORDER_REJECTED') toast('danger', t('said.rejected', what), whyOf(order, i18n.language))
  if (event.kind === 'CANCEL_REFUSED') toast('warn', t('said.cancelRefused', what))
}

const answered = 150 // milliseconds in which an order has its answer, and the answer is on the screen
let held: Schemas['Order'][] = []

/** Learns what an event tells; of what comes right after an order was sent a moment later: its answer is drawn first. */
function learnSoon(order: Schemas['Order']): void {
  if (held.length === 0 && !sents.get().some((one) => Date.now() - one.at < answered)) return learn(order)
  if (held.push(order) > 1) return
  setTimeout(() => {
    const all = held
    held = []
    for (const one of all) learn(one)
  }, answered)
}

live.hear((event) => {
  if (event.order) learnSoon(event.order)
  askSoon()
  void say(event)
})
