import { memo, useCallback, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Refusal } from '@/api/client'
import { useTick } from '@/live/hooks'
import { useStore } from '@/lib/store'
import { clock, day, span } from '@/lib/time'
import { Average, Button, Dialog, EmptyState, Failed, Money, Quantity, Skeleton, Table, toast, toastError, type Column } from '@/ui'
import { useOrders, whyOf, type Order } from './data'
import { cancel, unanswered } from './cancelling'
import { isDone } from './follow'
import { NameCell } from './Positions'
import { Timeline } from './Timeline'

const cancellable = (o: Order) => !isDone(o) && o.status !== 'CANCEL_PENDING' && o.status !== 'AWAITS_CANCEL'

/** A time, with its day above where several days are shown. */
export function When({ at, dated }: { at: string; dated?: boolean }) {
  return <span className="num leading-tight text-muted">{dated ? <span className="block text-[11px]">{day(at)}</span> : null}<span className="block">{clock(at)}</span></span>
}

export function Side({ side }: { side: string }) {
  const { t } = useTranslation('blotter')
  return <span className={side === 'buy' ? 'text-up' : 'text-down'}>{t(`side.${side}`)}</span>
}

/** How long a cancel has had no answer. */
function Unanswered({ since }: { since: number }) {
  const { t, i18n } = useTranslation('blotter')
  const now = useTick(1000, true)
  return <span data-unanswered="" className="block truncate text-[11px] text-warn">{t('cancel.unanswered', { age: span(Math.max(0, now - since), i18n.language === 'zh' ? 'zh' : 'en') })}</span>
}

export function useCancels(): { one: (o: Order) => void; busy: ReadonlySet<string> } {
  const { i18n } = useTranslation('blotter')
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set())
  const one = useCallback((o: Order) => {
    const over = () => setBusy((now) => { const next = new Set(now); next.delete(o.id); return next })
    const deaf = unanswered.follow(() => { if (unanswered.get().has(o.id)) over() }) // it may be asked for again
    setBusy((now) => new Set(now).add(o.id))
    cancel(o).catch((error: unknown) => toastError(error, i18n.language)).finally(() => { deaf(); over() })
  }, [i18n.language])
  return { one, busy }
}

/** Cancels all open orders after a word; each is asked for by itself, and what is refused is counted. */
export function CancelAll({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t, i18n } = useTranslation('blotter')
  const list = (useOrders('open').data ?? []).filter(cancellable)
  const all = async () => {
    onClose()
    const ends = await Promise.allSettled(list.map(cancel))
    const wrong = ends.filter((end) => end.status === 'rejected')
    const first = wrong[0]?.reason as unknown
    if (wrong.length === 0) toast('info', t('cancel.asked', { n: ends.length }))
    else toast('danger', t('cancel.someFailed', { n: wrong.length, of: ends.length }), first instanceof Refusal ? first.words(i18n.language) : String(first))
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('cancel.all')} text={list.length > 0 ? t('cancel.allText', { n: list.length }) : t('none.open')}
      actions={<><Button onClick={onClose}>{t('action.back')}</Button><Button look="danger" disabled={list.length === 0} onClick={() => void all()}>{t('cancel.all')}</Button></>}>
      <ul className="flex flex-col gap-1">{list.slice(0, 8).map((o) => <li key={o.id} className="flex gap-2"><Side side={o.side} /><span className="flex-1 truncate">{o.cn.name}</span><span className="num">{o.limit_price ?? t('market')} × {o.qty}</span></li>)}</ul>
    </Dialog>
  )
}

/** Open orders, or all of the last ones, with their cancel and their timeline. */
export const Orders = memo(function Orders({ which, rows, onAll }: { which: 'open' | 'all'; rows?: readonly Order[]; onAll?: () => void }) {
  const { t, i18n } = useTranslation('blotter')
  const orders = useOrders(which)
  const cancels = useCancels()
  const [shown, setShown] = useState<string>()
  const list = rows ?? orders.data ?? []
  const lost = useStore(unanswered)
  const [some, dated, language] = [list.some(cancellable), rows !== undefined, i18n.language]
  const columns = useMemo((): Column<Order>[] => { const why = (o: Order) => whyOf(o, language); return [
    { key: 'time', header: t('col.time'), width: '78px', wide: true, cell: (o) => <When at={o.created_at} dated={dated} /> },
    { key: 'name', header: t('col.name'), width: 'minmax(88px, 1.3fr)', cell: (o) => <NameCell name={o.cn.name} symbol={o.symbol} /> },
    { key: 'side', header: t('col.side'), width: '46px', cell: (o) => <Side side={o.side} /> },
    { key: 'type', header: t('col.type'), width: 'minmax(96px, 1fr)', wide: true, cell: (o) => <span className="truncate">{t(`type.${o.cn.market_type ?? 'LIMIT'}`)}</span> },
    { key: 'price', header: t('col.priceQuantity'), width: 'minmax(92px, 1fr)', align: 'right', cell: (o) => <span className="leading-tight"><span className="num block">{o.limit_price ?? t('market')}</span><span className="num block text-[11px] text-muted"><Quantity value={o.filled_qty} /> / <Quantity value={o.qty} /></span></span> },
    { key: 'average', header: t('col.fillPrice'), width: 'minmax(80px, .9fr)', align: 'right', wide: true, cell: (o) => <Average value={o.filled_avg_price} /> },
    { key: 'frozen', header: t('col.frozenCash'), width: 'minmax(96px, 1fr)', align: 'right', wide: true, cell: (o) => (o.side === 'buy' ? <Money value={o.cn.frozen_cash} /> : <Quantity value={o.cn.frozen_qty} />) },
    { key: 'status', header: t('col.status'), width: 'minmax(64px, 1.2fr)', cell: (o) => <span className="min-w-0 leading-tight" title={why(o) ?? undefined}><span className="block truncate">{t(`status.${o.status}`)}</span>{lost.has(o.id) ? <Unanswered since={lost.get(o.id)!} /> : why(o) ? <span className="block truncate text-[11px] text-danger">{why(o)}</span> : null}</span> },
    { key: 'cancel', header: onAll ? <button type="button" data-print="hide" className="touch text-danger hover:underline max-phone:min-w-11" disabled={!some} onClick={onAll}>{t('cancel.allShort')}</button> : <span className="sr-only">{t('cancel.short')}</span>, width: '76px', align: 'right',
      cell: (o) => (cancellable(o) ? <Button size="small" busy={cancels.busy.has(o.id)} aria-label={t('cancel.one', { name: o.cn.name, price: o.limit_price ?? t('market') })} onClick={(e) => { e.stopPropagation(); cancels.one(o) }}>{t('cancel.short')}</Button> : null) },
  ] }, [t, language, dated, some, onAll, cancels.busy, cancels.one, lost])
  if (!rows && orders.isPending) return <Skeleton lines={4} />
  if (!rows && orders.isError && !orders.data) return <Failed error={orders.error} onRetry={() => void orders.refetch()} />
  const order = list.find((o) => o.id === shown)
  return (
    <>
      <Table label={t(which === 'open' ? 'tab.open' : 'tab.orders')} rows={list} columns={columns} rowKey={(o) => o.id} onOpen={(o) => setShown(o.id)} rowHeight={46}
        onKey={(e, o) => { if (e.key !== 'Delete' || !cancellable(o)) return false; cancels.one(o); return true }}
        empty={<EmptyState title={t(which === 'open' ? 'none.open' : 'none.orders')} />} />
      {order ? <Timeline order={order} onClose={() => setShown(undefined)} onCancel={cancellable(order) ? () => cancels.one(order) : undefined} /> : null}
    </>
  )
})
