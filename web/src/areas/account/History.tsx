import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call } from '@/api/client'
import { full } from '@/lib/time'
import { Button, EmptyState, Failed, Field, Money, Select, Skeleton, Table, toastError, type Column } from '@/ui'
import { activities, activityPage, type Activity, type Order } from '../blotter/data'
import { csv, save } from '../blotter/csv'
import { Orders } from '../blotter/Orders'
import { amountOf, Trades } from '../blotter/Trades'
import { useSettled } from '../ticket/use'

interface Filter { from: string; until: string; symbol: string; side: 'any' | 'buy' | 'sell' }

/** The day after, as the bound that excludes it. */
export const dayAfter = (date: string): string => new Date(Date.parse(date + 'T00:00:00Z') + 86_400_000).toISOString().slice(0, 10)

const bounds = (f: Filter) => ({ ...(f.from ? { after: f.from } : {}), ...(f.until ? { until: dayAfter(f.until) } : {}) })

function Filters({ value, onChange, sides, onSave, disabled }: { value: Filter; onChange: (f: Filter) => void; sides?: boolean; onSave: () => Promise<void>; disabled?: boolean }) {
  const { t, i18n } = useTranslation('account')
  const [busy, setBusy] = useState(false)
  const save = () => { setBusy(true); onSave().catch((error: unknown) => toastError(error, i18n.language)).finally(() => setBusy(false)) }
  return (
    <div className="flex flex-wrap items-end gap-2 p-2" data-print="hide">
      <div className="w-[136px] max-phone:flex-1"><Field type="date" label={t('filter.from')} value={value.from} max={value.until || undefined} onChange={(e) => onChange({ ...value, from: e.target.value })} /></div>
      <div className="w-[136px] max-phone:flex-1"><Field type="date" label={t('filter.until')} value={value.until} min={value.from || undefined} onChange={(e) => onChange({ ...value, until: e.target.value })} /></div>
      {sides ? <>
        <div className="w-[120px] max-phone:flex-1"><Field label={t('filter.symbol')} placeholder="600519" autoComplete="off" value={value.symbol} onChange={(e) => onChange({ ...value, symbol: e.target.value.trim() })} /></div>
        <div className="w-[96px]"><Select label={t('filter.side')} value={value.side} onChange={(e) => onChange({ ...value, side: e.target.value as Filter['side'] })}>{(['any', 'buy', 'sell'] as const).map((s) => <option key={s} value={s}>{t(`filter.${s}`)}</option>)}</Select></div>
      </> : null}
      <Button icon="download" disabled={disabled} busy={busy} onClick={save} className="ml-auto">CSV</Button>
    </div>
  )
}

interface Pages<T> { data?: { pages: T[][] }; error: unknown; hasNextPage: boolean; fetchNextPage: () => Promise<Pages<T>> }

/** All of a list, the pages that were not shown too: a file that leaves out what somebody has not scrolled to would be wrong. */
export async function whole<T>(list: Pages<T>): Promise<T[]> {
  let all = list
  while (all.hasNextPage) {
    all = await all.fetchNextPage()
    if (all.error) throw all.error
  }
  return all.data?.pages.flat() ?? []
}

const empty: Filter = { from: '', until: '', symbol: '', side: 'any' }

function More({ query }: { query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown } }) {
  const { t } = useTranslation('account')
  return query.hasNextPage ? <p className="border-t border-line p-2 text-center"><Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t('more')}</Button></p> : null
}

export function OrderHistory() {
  const { t } = useTranslation('blotter')
  const [filter, setFilter] = useState(empty)
  const asked = useSettled(filter, 300)
  const size = 200
  const list = useInfiniteQuery({
    queryKey: ['orders', 'history', asked], initialPageParam: '',
    queryFn: ({ pageParam, signal }) => call('get', '/api/v1/orders', { signal, query: { status: 'all', limit: size, side: asked.side, ...bounds(asked), ...(asked.symbol ? { symbols: asked.symbol } : {}), ...(pageParam ? { before_order_id: pageParam } : {}) } }),
    getNextPageParam: (last) => (last.length < size ? undefined : last.at(-1)!.id),
  })
  const rows: Order[] = list.data?.pages.flat() ?? []
  const saved = async () => save('orders.csv', csv(
    [t('col.placed'), t('col.code'), t('col.name'), t('col.side'), t('col.type'), t('col.price'), t('col.quantity'), t('col.filled'), t('col.fillPrice'), t('col.amount'), t('col.fees'), t('col.status'), t('col.clientId')],
    (await whole(list)).map((o) => [full(o.created_at), o.symbol, o.cn.name, t(`side.${o.side}`), t(`type.${o.cn.market_type ?? 'LIMIT'}`), o.limit_price ?? '', o.qty, o.filled_qty, o.filled_avg_price ?? '', o.cn.filled_amount, o.cn.fees.total, t(`status.${o.status}`), o.client_order_id])))
  return <div className="flex h-full min-h-0 flex-col"><Filters sides value={filter} onChange={setFilter} onSave={saved} disabled={rows.length === 0} />
    {list.isError && !list.data ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : list.isPending ? <Skeleton lines={6} /> : <div className="min-h-0 flex-1"><Orders which="all" rows={rows} /></div>}<More query={list} /></div>
}

function useActivities(types: string, filter: Filter) {
  const asked = useSettled(filter, 300)
  return useInfiniteQuery({
    queryKey: ['activities', types, asked], initialPageParam: '',
    queryFn: ({ pageParam, signal }) => activities(types, pageParam || undefined, { ...bounds(asked), ...(asked.symbol ? { symbols: asked.symbol } : {}), ...(asked.side === 'any' ? {} : { side: asked.side }) }, signal),
    getNextPageParam: (last) => (last.length < activityPage ? undefined : last.at(-1)!.id),
  })
}

export function TradeHistory() {
  const { t } = useTranslation('blotter')
  const [filter, setFilter] = useState(empty)
  const list = useActivities('FILL', filter)
  const rows = list.data?.pages.flat() ?? []
  const saved = async () => save('trades.csv', csv([t('col.time'), t('col.code'), t('col.name'), t('col.side'), t('col.fillPrice'), t('col.quantity'), t('col.amount'), t('col.fees'), t('col.order')],
    (await whole(list)).map((a) => [full(a.transaction_time!), a.symbol, a.cn?.name, t(`side.${a.side}`), a.price, a.qty, amountOf(a), a.cn?.fees?.total, a.order_id])))
  return <div className="flex h-full min-h-0 flex-col"><Filters sides value={filter} onChange={setFilter} onSave={saved} disabled={rows.length === 0} />
    {list.isError && !list.data ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : list.isPending ? <Skeleton lines={6} /> : <div className="min-h-0 flex-1"><Trades rows={rows} dated /></div>}<More query={list} /></div>
}

/** What an activity did to the cash: a sale brings its amount, a purchase costs it. */
export const cashOf = (a: Activity): string | undefined => (a.activity_type !== 'FILL' ? a.net_amount : a.side === 'buy' ? `-${amountOf(a)}` : amountOf(a))

/** Every movement of the cash: trades, their fees, what came in and what left. */
export function CashHistory() {
  const { t } = useTranslation('account')
  const [filter, setFilter] = useState(empty)
  const list = useActivities('FILL,CSD,CSW,FEE', filter)
  const rows = list.data?.pages.flat() ?? []
  const at = (a: Activity) => full(a.created_at ?? a.transaction_time ?? a.date!)
  const kind = (a: Activity) => (a.activity_type === 'FILL' ? t(`filter.${a.side === 'buy' ? 'buy' : 'sell'}`) : t(`kinds.${a.activity_type}`))
  const text = (a: Activity) => (a.activity_type === 'FILL' ? `${a.symbol} ${a.cn?.name ?? ''} ${a.price} × ${a.qty}` : a.activity_type === 'FEE' ? `${a.symbol ?? ''} ${t('feeOf')}` : a.description)
  const columns: Column<Activity>[] = [
    { key: 'time', header: t('time'), width: 'minmax(96px, 160px)', cell: (a) => <span className="num text-muted">{at(a)}</span> },
    { key: 'kind', header: t('kind'), width: 'minmax(80px, 1fr)', cell: (a) => <span className="min-w-0">{kind(a)}{a.symbol ? <span className="num block text-[11px] leading-tight text-muted phone:hidden">{a.symbol}</span> : null}</span> },
    { key: 'text', header: t('reference'), width: 'minmax(80px, 2fr)', wide: true, cell: (a) => <span className="num truncate text-muted">{text(a)}</span> },
    { key: 'amount', header: t('amount'), width: 'minmax(110px, 1fr)', align: 'right', cell: (a) => <Money value={cashOf(a)} signed /> },
  ]
  const saved = async () => save('cash.csv', csv([t('time'), t('kind'), t('reference'), t('amount')], (await whole(list)).map((a) => [at(a), kind(a), text(a), cashOf(a)])))
  return <div className="flex h-full min-h-0 flex-col"><Filters value={filter} onChange={setFilter} onSave={saved} disabled={rows.length === 0} />
    {list.isError && !list.data ? <Failed error={list.error} onRetry={() => void list.refetch()} /> : list.isPending ? <Skeleton lines={6} /> : <div className="min-h-0 flex-1"><Table label={t('tab.cash')} rows={rows} columns={columns} rowKey={(a) => a.id} rowHeight={40} empty={<EmptyState title={t('none')} />} /></div>}<More query={list} /></div>
}
