import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { call, type Schemas } from '@/api/client'
import { useAge, useQuote, useQuotesOf } from '@/live/hooks'
import { Age, Change, EmptyState, Failed, Money, Percent, Price, Quantity, Skeleton, Table, type Column } from '@/ui'
import { useState } from 'react'

type Security = Schemas['Security']

function Live({ symbol, show }: { symbol: string; show: (q: NonNullable<ReturnType<typeof useQuote>>, stale: boolean) => React.ReactNode }) {
  const quote = useQuote(symbol, false)
  const stale = useAge(symbol) > 0
  return quote ? show(quote, stale) : <span className="text-faint">–</span>
}

export default function Market() {
  const { t } = useTranslation('market')
  const [, go] = useLocation()
  const [seen, setSeen] = useState<string[]>([])
  const list = useQuery({ queryKey: ['securities', 'all'], queryFn: ({ signal }) => call('get', '/api/v1/securities', { query: { limit: 10000 }, signal }), staleTime: 300_000 })
  useQuotesOf(seen)
  const columns: Column<Security>[] = [
    { key: 'name', header: t('name'), width: 'minmax(150px, 1.6fr)', cell: (s) => <span className="min-w-0"><span className="block truncate">{s.name}</span><span className="num block text-[11px] leading-tight text-muted phone:hidden">{s.symbol}</span></span> },
    { key: 'code', header: t('code'), width: '104px', wide: true, cell: (s) => <span className="num text-muted">{s.symbol}</span> },
    { key: 'last', header: t('last'), width: 'minmax(84px, 1fr)', align: 'right', cell: (s) => <Live symbol={s.symbol} show={(q, stale) => <Price value={q.last} than={q.previous_close} stale={stale} className="font-medium" />} /> },
    { key: 'ratio', header: t('ratio'), width: 'minmax(96px, 1fr)', align: 'right', cell: (s) => <Live symbol={s.symbol} show={(q, stale) => <Percent ratio={q.change_ratio} stale={stale} />} /> },
    { key: 'change', header: t('change'), width: 'minmax(84px, 1fr)', align: 'right', wide: true, cell: (s) => <Live symbol={s.symbol} show={(q, stale) => <Change value={q.change} stale={stale} mark={false} />} /> },
    { key: 'bid', header: t('bid'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, cell: (s) => <Live symbol={s.symbol} show={(q, stale) => <Price value={q.bid} stale={stale} />} /> },
    { key: 'ask', header: t('ask'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, cell: (s) => <Live symbol={s.symbol} show={(q, stale) => <Price value={q.ask} stale={stale} />} /> },
    { key: 'volume', header: t('volume'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, cell: (s) => <Live symbol={s.symbol} show={(q) => <Quantity value={q.volume} short />} /> },
    { key: 'turnover', header: t('turnover'), width: 'minmax(88px, 1fr)', align: 'right', wide: true, cell: (s) => <Live symbol={s.symbol} show={(q) => <Money value={q.turnover} short />} /> },
    { key: 'age', header: t('age'), width: 'minmax(110px, 1fr)', align: 'right', wide: true, cell: (s) => <Age symbol={s.symbol} /> },
  ]
  if (list.isPending) return <Skeleton lines={12} />
  if (list.isError) return <Failed error={list.error} onRetry={() => void list.refetch()} />
  return (
    <div className="flex h-full flex-col bg-surface">
      <h1 className="sr-only">{t('title')}</h1>
      <div className="min-h-0 flex-1">
        <Table label={t('title')} rows={list.data.securities} columns={columns} rowKey={(s) => s.symbol} onRange={(rows) => setSeen(rows.map((s) => s.symbol))}
          onOpen={(s) => go(`/security/${s.symbol}`)} empty={<EmptyState title={t('none')} />} />
      </div>
    </div>
  )
}
