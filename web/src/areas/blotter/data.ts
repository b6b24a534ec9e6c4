import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { call, callFresh, callOther, told, type Schemas } from '@/api/client'
import { useQuotesOf } from '@/live/hooks'
import { live, type Quote } from '@/live/live'
import { typeset } from '@/lib/typeset'
import { useTick } from '@/live/hooks'
import { decimal, divide, multiply, parse, subtract, text, round, add, type Decimal } from '@/lib/decimal'

export type Order = Schemas['Order']

/** Why an order came to nothing, in the language that is read. */
export function whyOf({ cn }: Order, language: string): string | undefined {
  const words = language === 'zh' ? cn.reason_text_zh && typeset(cn.reason_text_zh) : cn.reason_text
  return words ? told(words, cn.reason ?? '', cn.numbers) : undefined
}

export type Position = Schemas['Position']
export type Account = Schemas['Account']

/** A fill, a movement of cash or of shares, or the fees of a fill. */
export interface Activity {
  id: string
  activity_type: string
  transaction_time?: string
  created_at?: string
  price?: string
  qty?: string
  side?: 'buy' | 'sell'
  symbol?: string
  order_id?: string
  date?: string
  net_amount?: string
  description?: string
  cn?: { fees?: Schemas['Trade']['fees']; execution_id?: string; name?: string }
}

export const useAccount = () => useQuery({ queryKey: ['account'], queryFn: ({ signal }) => callFresh('get', '/api/v1/account', { signal }) })

export const useOrders = (status: 'open' | 'all') => useQuery({
  queryKey: ['orders', status], queryFn: ({ signal }) => call('get', '/api/v1/orders', { query: { status, limit: 500 }, signal }),
})

const page = 100

/** Activities, newest first, page by page. */
export function activities(types: string, before?: string, more: Record<string, string> = {}, signal?: AbortSignal): Promise<Activity[]> {
  const query = new URLSearchParams({ activity_types: types, page_size: String(page), ...(before ? { page_token: before } : {}), ...more })
  return callOther<Activity[]>('get', `/v2/account/activities?${query}`, { signal })
}
export const activityPage = page

/** All fills of an order, oldest first, page by page. */
export async function fillsOf(order: Pick<Order, 'id' | 'created_at'>, signal?: AbortSignal): Promise<Activity[]> {
  const own: Activity[] = []
  for (let page: Activity[] | undefined; !page || page.length === activityPage;) {
    page = await activities('FILL', page?.at(-1)!.id, { order_id: order.id, after: new Date(Date.parse(order.created_at) - 1000).toISOString(), direction: 'asc' }, signal)
    own.push(...page)
  }
  return own
}

export const useTrades = () => useQuery({ queryKey: ['trades'], queryFn: ({ signal }) => activities('FILL', undefined, {}, signal) })

/** What a position is worth and has earned, by the latest price; nothing is guessed without one. */
export interface Worth { value?: string; profit?: string; ratio?: string; today?: string; average?: string }

export function worth(p: Position, quote: Pick<Quote, 'last' | 'previous_close'> | undefined): Worth {
  const [total, cost] = [decimal(p.total), decimal(p.cost)]
  const average = total.units > 0n ? divide(cost, total, 3) : undefined
  const out: Worth = { average: average && text(average) }
  const last = parse(quote?.last)
  const price = last && last.units !== 0n ? last : parse(quote?.previous_close)
  if (!price || price.units === 0n) return out
  const value = round(multiply(price, total), 2)
  const profit = round(subtract(value, cost), 2)
  const ratio = cost.units > 0n ? divide(profit, cost, 4) : undefined
  return { ...out, value: text(value), profit: text(profit), ratio: ratio && text(ratio) }
}

/** All positions together, with the quotes as they are now; drawn again once a second. */
export function useSums(account: Account | undefined): { value: string; profit: string; equity: string } | undefined {
  const symbols = useMemo(() => account?.positions.map((p) => p.symbol) ?? [], [account])
  useQuotesOf(symbols)
  useTick(1000)
  if (!account) return undefined
  const zero: Decimal = { units: 0n, scale: 2 }
  let [value, profit, whole] = [zero, zero, true]
  for (const p of account.positions) {
    const w = worth(p, live.quote(p.symbol))
    if (!w.value || !w.profit) { whole = false; continue }
    value = add(value, decimal(w.value))
    profit = add(profit, decimal(w.profit))
  }
  if (!whole) value = decimal(account.market_value)
  const cash = add(decimal(account.balance.available), decimal(account.balance.frozen))
  return { value: text(value), profit: text(profit), equity: text(add(cash, value)) }
}
