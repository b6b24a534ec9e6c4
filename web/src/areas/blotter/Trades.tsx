import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { multiply, decimal, round, text } from '@/lib/decimal'
import { EmptyState, Failed, Money, Quantity, Skeleton, Table, type Column } from '@/ui'
import { activityPage, useTrades, type Activity } from './data'
import { Side, When } from './Orders'

export const amountOf = (a: Activity): string | undefined => (a.price && a.qty ? text(round(multiply(decimal(a.price), decimal(a.qty)), 2)) : undefined)

export function Trades({ rows, dated }: { rows?: readonly Activity[]; dated?: boolean }) {
  const { t } = useTranslation('blotter')
  const trades = useTrades()
  if (!rows && trades.isPending) return <Skeleton lines={4} />
  if (!rows && trades.isError && !trades.data) return <Failed error={trades.error} onRetry={() => void trades.refetch()} />
  const columns: Column<Activity>[] = [
    { key: 'time', header: t('col.time'), width: '82px', cell: (a) => <When at={a.transaction_time!} dated={dated} /> },
    { key: 'symbol', header: t('col.code'), width: 'minmax(90px, 1.2fr)', cell: (a) => <span className="num">{a.symbol}</span> },
    { key: 'side', header: t('col.side'), width: '52px', cell: (a) => <Side side={a.side ?? 'buy'} /> },
    { key: 'price', header: t('col.fillPrice'), width: 'minmax(76px, 1fr)', align: 'right', cell: (a) => <span className="num">{a.price}</span> },
    { key: 'quantity', header: t('col.quantity'), width: 'minmax(64px, 1fr)', align: 'right', cell: (a) => <Quantity value={a.qty} /> },
    { key: 'amount', header: t('col.amount'), width: 'minmax(104px, 1.2fr)', align: 'right', wide: true, cell: (a) => <Money value={amountOf(a)} /> },
  ]
  const newest = !rows && trades.data?.length === activityPage
  const table = <Table label={t('tab.trades')} rows={rows ?? trades.data ?? []} columns={columns} rowKey={(a) => a.id} rowHeight={dated ? 40 : undefined} empty={<EmptyState title={t('none.trades')} />} />
  return newest ? <div className="flex h-full min-h-0 flex-col"><div className="min-h-0 flex-1">{table}</div><p className="border-t border-line p-2 text-center text-muted">{t('newest', { n: activityPage })} <Link href="/account" className="text-accent underline">{t('older')}</Link></p></div> : table
}
