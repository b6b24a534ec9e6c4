import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Redirect, useLocation } from 'wouter'
import { call, type Schemas } from '@/api/client'
import { compact } from '@/lib/decimal'
import { usePhone } from '@/lib/media'
import { useQuotesOf } from '@/live/hooks'
import type { Quote } from '@/live/live'
import { Age, changeFace, EmptyState, Failed, IconButton, Live, Marks, percentFace, priceFace, Skeleton, Split, Table, toastError, type Column, type Face, type Sort } from '@/ui'
import { SymbolField } from '../ticket/SymbolField'
import { moved, useChange, useGroups } from '../watch/data'
import { Groups, Put, Star } from '../watch/Groups'
import { isLive, sorted } from './sort'

type Security = Schemas['Security']

/** The live columns: what of a quote each shows, and how. */
const shows = {
  last: { part: (q: Quote) => `${q.last} ${q.previous_close}`, face: (q: Quote) => priceFace(q.last, q.previous_close) },
  ratio: { part: (q: Quote) => q.change_ratio, face: (q: Quote) => percentFace(q.change_ratio) },
  change: { part: (q: Quote) => q.change, face: (q: Quote) => changeFace(q.change) },
  bid: { part: (q: Quote) => q.bid, face: (q: Quote) => priceFace(q.bid) },
  ask: { part: (q: Quote) => q.ask, face: (q: Quote) => priceFace(q.ask) },
  volume: { part: (q: Quote) => String(q.volume), face: (q: Quote, language: 'zh' | 'en'): Face => ({ words: compact(String(q.volume), language), direction: 0 }), plain: true },
  turnover: { part: (q: Quote) => q.turnover, face: (q: Quote, language: 'zh' | 'en'): Face => ({ words: compact(q.turnover, language), direction: 0 }), plain: true },
}

/** The groups, and the quote board of one of them or of all securities. */
export default function Market({ params }: { params: Record<string, string | undefined> }) {
  const phone = usePhone()
  const { t } = useTranslation('market')
  const chosen = params['group']
  if (phone) return <div className="flex h-full flex-col"><Groups chosen={chosen} /><div className="min-h-0 flex-1"><Board key={chosen} chosen={chosen} /></div></div>
  return <Split area="market" label={t('resize')} className="h-full" panes={[
    { id: 'groups', size: 14, min: '150px', max: '40%', content: <Groups chosen={chosen} /> },
    { id: 'board', size: 86, min: '50%', content: <Board key={chosen} chosen={chosen} /> },
  ]} />
}

function Board({ chosen }: { chosen: string | undefined }) {
  const { t, i18n } = useTranslation('market')
  const [, go] = useLocation()
  const [seen, setSeen] = useState<string[]>([])
  const [sort, setSort] = useState<Sort>()
  const [putting, setPutting] = useState<Security>()
  const list = useQuery({ queryKey: ['securities', 'all'], queryFn: ({ signal }) => call('get', '/api/v1/securities', { query: { limit: 10000 }, signal }), staleTime: 300_000 })
  const by = isLive(sort?.key) ? sort.key : undefined
  const order = useQuery({
    queryKey: ['board', by], enabled: by !== undefined, refetchInterval: 3_000, placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call('get', '/api/v1/board', { query: { by: by! }, signal }),
  })
  const groups = useGroups()
  const change = useChange()
  const group = groups.data?.find((g) => g.id === chosen)
  useQuotesOf(seen)
  const wrong = (error: unknown) => toastError(error, i18n.language)
  const bySymbol = useMemo(() => new Map((list.data?.securities ?? []).map((s) => [s.symbol, s])), [list.data])
  const members = useMemo(() => (chosen ? (group?.symbols ?? []).flatMap((s) => bySymbol.get(s) ?? []) : (list.data?.securities ?? [])), [chosen, group, bySymbol, list.data])
  const rows = useMemo(() => sorted(members, sort, order.data?.symbols), [members, sort, order.data])
  const remove = (s: Security) => group && change.mutate({ do: 'remove', group, symbol: s.symbol }, { onError: wrong })
  const columns: Column<Security>[] = [
    { key: 'name', header: t('name'), width: 'minmax(132px, 1.6fr)', sortable: true, cell: (s) => <span className="min-w-0"><span className="flex items-center gap-1"><span className="truncate">{s.name}</span><Marks symbol={s.symbol} suspended={s.cn.suspended} /></span><span className="num block text-[11px] leading-tight text-muted phone:hidden">{s.symbol}</span></span> },
    { key: 'code', header: t('code'), width: '104px', wide: true, sortable: true, cell: (s) => <span className="num text-muted">{s.symbol}</span> },
    { key: 'last', header: t('last'), width: 'minmax(72px, 1fr)', align: 'right', sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.last} className="font-medium" /> },
    { key: 'ratio', header: t('ratio'), width: 'minmax(92px, 1fr)', align: 'right', sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.ratio} mark /> },
    { key: 'change', header: t('change'), width: 'minmax(84px, 1fr)', align: 'right', wide: true, sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.change} /> },
    { key: 'bid', header: t('bid'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.bid} /> },
    { key: 'ask', header: t('ask'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.ask} /> },
    { key: 'volume', header: t('volume'), width: 'minmax(80px, 1fr)', align: 'right', wide: true, sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.volume} /> },
    { key: 'turnover', header: t('turnover'), width: 'minmax(88px, 1fr)', align: 'right', wide: true, sortable: true, cell: (s) => <Live symbol={s.symbol} {...shows.turnover} /> },
    { key: 'age', header: <span data-tour="age" className="-mr-2 inline-block px-2">{t('age')}</span>, width: 'minmax(110px, 1fr)', align: 'right', wide: true, cell: (s) => <Age symbol={s.symbol} /> },
    { key: 'put', header: <span className="sr-only">{t('groups', { ns: 'watch' })}</span>, width: '52px', align: 'right', cell: (s) => (group
      ? <IconButton icon="close" size={14} tabIndex={-1} label={t('remove', { ns: 'watch', name: s.name })} onClick={(e) => { e.stopPropagation(); remove(s) }} />
      : <Star symbol={s.symbol} name={s.name} tabIndex={-1} />) },
  ]
  if (list.isPending || (chosen && groups.isPending)) return <Skeleton lines={12} />
  if (list.isError) return <Failed error={list.error} onRetry={() => void list.refetch()} />
  if (chosen && groups.isError && !groups.data) return <Failed error={groups.error} onRetry={() => void groups.refetch()} />
  if (chosen && !group) return <Redirect to="/market" replace />
  const mine = group && !sort ? (from: number, to: number) => change.mutate({ do: 'order', group, symbols: moved(rows.map((s) => s.symbol), from, to) }, { onError: wrong }) : undefined
  return (
    <div className="flex h-full flex-col bg-surface">
      <h1 className="sr-only">{group ? group.name : t('title')}</h1>
      {group ? <div className="flex shrink-0 items-center gap-3 border-b border-line p-1.5">
        <div className="w-[300px] max-phone:flex-1"><SymbolField symbol="" hint={t('add', { ns: 'watch' })} onChoose={(symbol) => change.mutate({ do: 'add', group, symbol }, { onError: wrong })} /></div>
        {sort ? <p className="text-muted max-phone:hidden">{t('sorted', { ns: 'watch' })}</p> : null}
      </div> : null}
      <div data-tour="market" className="min-h-0 flex-1">
        <Table label={group ? group.name : t('title')} rows={rows} columns={columns} rowKey={(s) => s.symbol} onRange={(shown) => setSeen(shown.map((s) => s.symbol))}
          sort={sort} onSort={setSort} onMove={mine} onOpen={(s) => go(`/security/${s.symbol}`)}
          onKey={(event, s) => {
            if (event.ctrlKey || event.metaKey || event.altKey) return false
            if (event.key === 'w' || event.key === 'W') setPutting(s)
            else if (event.key === 'Delete' && group) remove(s)
            else return false
            return true
          }}
          empty={group ? <EmptyState icon="star" title={t('empty', { ns: 'watch' })}>{t('emptyText', { ns: 'watch' })}</EmptyState> : <EmptyState title={t('none')} />} />
      </div>
      {putting ? <Put symbol={putting.symbol} name={putting.name} onClose={() => setPutting(undefined)} /> : null}
    </div>
  )
}
