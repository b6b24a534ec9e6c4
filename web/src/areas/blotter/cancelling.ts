import { call, Refusal } from '@/api/client'
import { whenOther } from '@/api/session'
import { Store } from '@/lib/store'
import { live } from '@/live/live'
import { between, certain, patience } from '../ticket/sending'
import type { Order } from './data'
import { isDone, learn } from './follow'

/** Cancels without an answer: order id, and when it was asked for last. They may be asked for again, which does no harm. */
export const unanswered = new Store<ReadonlyMap<string, number>>(new Map())
whenOther(() => unanswered.set(new Map()))

const isOver = (order: Order) => isDone(order) || order.status === 'CANCEL_PENDING' || order.status === 'AWAITS_CANCEL'

/** Asks for a cancel. Where its answer is lost the order itself is asked for, until it is over or cannot be any more. */
export async function cancel({ id }: Pick<Order, 'id'>): Promise<void> {
  if (live.link.get().state === 'offline') throw new Refusal(0, 'OFFLINE', '没有网络,撤单没有发出', 'there is no network: the cancel was not sent')
  const at = Date.now()
  try {
    learn(await call('delete', '/api/v1/orders/{id}', { path: { id } }))
    settle(id)
  } catch (error) {
    if (!(error instanceof Refusal) || !error.unknown) {
      settle(id)
      throw error
    }
    const inquiring = unanswered.get().has(id)
    unanswered.set((all) => new Map(all).set(id, at))
    if (!inquiring) await inquire(id)
  }
}

function settle(id: string): void {
  unanswered.set((all) => {
    if (!all.has(id)) return all
    const rest = new Map(all)
    rest.delete(id)
    return rest
  })
}

/** Asks what became of a cancel. It throws when the order still stands, and no cancel can be on its way any more. */
async function inquire(id: string): Promise<void> {
  for (let n = 0; ; n++) {
    await patience(between[Math.min(n, between.length - 1)]!)
    const at = unanswered.get().get(id)
    if (at === undefined) return // answered meanwhile
    const late = Date.now() - at > certain // before it is asked: what comes later cannot have been missed
    try {
      const order = await call('get', '/api/v1/orders/{id}', { path: { id } })
      learn(order)
      if (isOver(order)) return settle(id)
      if (late && !live.status.get()?.stale && unanswered.get().get(id) === at) {
        settle(id)
        throw new Refusal(0, 'CANCEL_LOST', '撤单没有到达,委托仍然有效,请再次撤单', 'the cancel did not arrive and the order stands: cancel it again')
      }
    } catch (error) {
      if (error instanceof Refusal && (error.reason === 'CANCEL_LOST' || error.status === 401)) {
        settle(id)
        throw error
      }
    }
  }
}
