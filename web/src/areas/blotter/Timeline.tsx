import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { sentAt } from '../ticket/logic'
import { sents } from '../ticket/sending'
import { useStore } from '@/lib/store'
import { useTick } from '@/live/hooks'
import { live } from '@/live/live'
import { clockMs, full, span } from '@/lib/time'
import { cx } from '@/lib/cx'
import { Average, Button, Dialog, Money, Quantity } from '@/ui'
import { fillsOf, whyOf, type Order } from './data'
import { steps } from './timeline'

/** The life of one order, step by step, and what it cost. */
export function Timeline({ order, onClose, onCancel }: { order: Order; onClose: () => void; onCancel?: () => void }) {
  const { t, i18n } = useTranslation('blotter')
  const sent = useStore(sents).find((s) => s.id === order.client_order_id)
  const fills = useQuery({
    queryKey: ['activities', order.id, order.filled_qty], enabled: order.filled_qty !== '0',
    queryFn: ({ signal }) => fillsOf(order, signal),
  })
  useTick(1000)
  const zh = i18n.language === 'zh' ? 'zh' : 'en'
  const list = steps(order, fills.data ?? [], sent ? sent.at + live.skew : sentAt(order.client_order_id, Date.parse(order.created_at)))
  const why = whyOf(order, zh)
  return (
    <Dialog open onClose={onClose} title={<>{t(`side.${order.side}`)} {order.cn.name} <span className="num text-muted">{order.symbol}</span></>}
      actions={<>{onCancel ? <Button look="danger" onClick={onCancel}>{t('cancel.this')}</Button> : null}<Button onClick={onClose}>{t('action.close')}</Button></>}>
      <p className="mb-3 flex flex-wrap gap-x-4 gap-y-1"><span>{t(`type.${order.cn.market_type ?? 'LIMIT'}`)}</span><span className="num">{order.limit_price ?? t('market')} × <Quantity value={order.qty} /></span><span className="font-medium">{t(`status.${order.status}`)}</span></p>
      {why ? <p className="mb-3 rounded-control bg-danger-soft p-2 text-danger">{why}{order.cn.numbers ? <span className="num block">{order.cn.numbers.given}{order.cn.numbers.bound ? ` / ${order.cn.numbers.bound}` : ''}{order.cn.numbers.nearest ? ` → ${order.cn.numbers.nearest}` : ''}</span> : null}</p> : null}
      <ol tabIndex={0} aria-label={t('timeline.label')} className="relative ml-1.5 border-l border-line">
        {list.map((s, i) => (
          <li key={i} data-step={s.key} className="relative py-1.5 pl-4">
            <span aria-hidden="true" className={cx('absolute top-[13px] -left-[5px] size-[9px] rounded-full', s.open ? 'animate-pulse border-2 border-accent bg-surface' : ['rejected', 'expired'].includes(s.key) ? 'bg-danger' : s.key === 'fill' || s.key === 'filled' ? 'bg-good' : 'bg-accent')} />
            <span className="flex items-baseline gap-2"><span className="flex-1">{t(`timeline.${s.key}`)}{s.quantity ? <span className="num ml-2">{s.price} × {s.quantity}</span> : null}</span>
              <span className="num text-muted">{s.at ? clockMs(s.at) : t('timeline.since', { age: span(live.time() - Date.parse(order.updated_at), zh) })}</span></span>
          </li>
        ))}
      </ol>
      <dl className="mt-3 grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 border-t border-line pt-3 [&>dd]:text-right [&>dt]:text-muted">
        <dt>{t('col.filled')}</dt><dd><Quantity value={order.filled_qty} />{order.filled_avg_price ? <> @ <Average value={order.filled_avg_price} /></> : null}</dd>
        <dt>{t('col.amount')}</dt><dd><Money value={order.cn.filled_amount} /></dd>
        <dt>{t('col.fees')}</dt><dd><Money value={order.cn.fees.total} /></dd>
        <dt>{t('col.placed')}</dt><dd className="num">{full(order.created_at)}</dd>
        <dt>{t('col.clientId')}</dt><dd className="num text-[11px] whitespace-normal break-all text-muted">{order.client_order_id}</dd>
      </dl>
    </Dialog>
  )
}
