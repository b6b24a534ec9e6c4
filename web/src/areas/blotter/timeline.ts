import type { Activity, Order } from './data'

/** One step of an order's life. */
export interface Step {
  key: 'sent' | 'accepted' | 'atExchange' | 'waiting' | 'held' | 'fill' | 'cancelling' | 'filled' | 'cancelled' | 'rejected' | 'expired' | 'replaced'
  at?: string
  price?: string
  quantity?: string
  /** It has not happened yet. */
  open?: boolean
}

/** The steps of an order, oldest first: sent (by this screen), accepted by the broker, at the exchange, each fill, its end. */
export function steps(order: Order, fills: readonly Activity[], sentAt?: number): Step[] {
  const list: Step[] = []
  if (sentAt !== undefined) list.push({ key: 'sent', at: new Date(sentAt).toISOString() })
  list.push({ key: 'accepted', at: order.created_at })
  if (order.cn.accepted_at) list.push({ key: 'atExchange', at: order.cn.accepted_at })
  else if (order.status === 'HELD') list.push({ key: 'held', open: true })
  else if (order.status === 'PENDING_NEW') list.push({ key: 'waiting', open: true })
  const own = [...fills].sort((a, b) => ((a.transaction_time ?? '') < (b.transaction_time ?? '') ? -1 : 1))
  for (const f of own) list.push({ key: 'fill', at: f.transaction_time, price: f.price, quantity: f.qty })
  if (order.status === 'CANCEL_PENDING' || order.status === 'REPLACE_PENDING') list.push({ key: 'cancelling', open: true })
  if (order.filled_at) list.push({ key: 'filled', at: order.filled_at })
  if (order.canceled_at) list.push({ key: 'cancelled', at: order.canceled_at })
  if (order.failed_at) list.push({ key: 'rejected', at: order.failed_at })
  if (order.expired_at) list.push({ key: 'expired', at: order.expired_at })
  if (order.replaced_at) list.push({ key: 'replaced', at: order.replaced_at })
  return list
}
