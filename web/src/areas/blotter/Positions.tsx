import { useTranslation } from 'react-i18next'
import { useAge, useQuote, useQuotesOf } from '@/live/hooks'
import { EmptyState, Failed, Marks, Money, Percent, Price, Quantity, Skeleton, Table, type Column } from '@/ui'
import { useAccount, worth, type Position } from './data'

function Live({ p, show }: { p: Position; show: (w: ReturnType<typeof worth>, q: ReturnType<typeof useQuote>, stale: boolean) => React.ReactNode }) {
  const quote = useQuote(p.symbol, false)
  const stale = useAge(p.symbol) > 0
  return <>{show(worth(p, quote), quote, stale)}</>
}

export function NameCell({ name, symbol, marks }: { name: string; symbol: string; marks?: boolean }) {
  return <span className="min-w-0 leading-tight"><span className="flex items-center gap-1"><span className="truncate">{name}</span>{marks ? <Marks symbol={symbol} /> : null}</span><span className="num block text-[11px] text-muted">{symbol}</span></span>
}

/** What the account holds, its cost and what it has earned by the live price. */
export function Positions({ onOpen, selected }: { onOpen?: (p: Position) => void; selected?: string }) {
  const { t } = useTranslation('blotter')
  const account = useAccount()
  useQuotesOf(account.data?.data.positions.map((p) => p.symbol) ?? [])
  if (account.isPending) return <Skeleton lines={4} />
  if (account.isError && !account.data) return <Failed error={account.error} onRetry={() => void account.refetch()} />
  const columns: Column<Position>[] = [
    { key: 'name', header: t('col.name'), width: 'minmax(104px, 1.3fr)', cell: (p) => <NameCell name={p.name} symbol={p.symbol} marks /> },
    { key: 'total', header: t('col.holding'), width: 'minmax(72px, 1fr)', align: 'right', cell: (p) => <span className="leading-tight"><Quantity value={p.total} className="block" /><span className="block text-[11px] whitespace-nowrap text-muted phone:hidden">{t('sellableShort')} <Quantity value={p.sellable} /></span></span> },
    { key: 'sellable', header: t('col.sellable'), width: 'minmax(72px, 1fr)', align: 'right', wide: true, cell: (p) => <Quantity value={p.sellable} /> },
    { key: 'frozen', header: t('col.frozen'), width: 'minmax(64px, .8fr)', align: 'right', wide: true, cell: (p) => <Quantity value={p.frozen} /> },
    { key: 'today', header: t('col.boughtToday'), width: 'minmax(72px, .8fr)', align: 'right', wide: true, cell: (p) => <Quantity value={p.bought_today} /> },
    { key: 'average', header: t('col.average'), width: 'minmax(84px, 1fr)', align: 'right', wide: true, cell: (p) => <span className="num">{worth(p, undefined).average ?? '–'}</span> },
    { key: 'last', header: t('col.last'), width: 'minmax(76px, 1fr)', align: 'right', cell: (p) => <Live p={p} show={(w, q, stale) => <span className="leading-tight"><Price value={q?.last} than={q?.previous_close} stale={stale} className="block" /><span className="num block text-[11px] text-muted phone:hidden">{w.average ?? '–'}</span></span>} /> },
    { key: 'value', header: t('col.value'), width: 'minmax(104px, 1.2fr)', align: 'right', wide: true, cell: (p) => <Live p={p} show={(w, _q, stale) => <Money value={w.value} className={stale ? 'text-stale' : ''} />} /> },
    { key: 'profit', header: t('col.profit'), width: 'minmax(112px, 1.3fr)', align: 'right', cell: (p) => <Live p={p} show={(w, _q, stale) => <span className="leading-tight"><Money value={w.profit} signed className={stale ? 'block text-stale' : 'block'} /><Percent ratio={w.ratio} stale={stale} mark={false} className="block text-[11px]" /></span>} /> },
  ]
  return <Table label={t('tab.positions')} rows={account.data!.data.positions} columns={columns} rowKey={(p) => p.symbol} selected={selected} onOpen={onOpen} rowHeight={46}
    empty={<EmptyState title={t('none.positions')}>{t('none.positionsText')}</EmptyState>} />
}
