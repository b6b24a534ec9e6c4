import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'wouter'
import { call, type Schemas } from '@/api/client'
import { useAge, useQuote } from '@/live/hooks'
import { divide, parse, subtract, text } from '@/lib/decimal'
import { usePhone } from '@/lib/media'
import { useHabit } from '@/lib/preferences'
import { Age, Button, Change, Failed, Marks, Money, Percent, Price, Quantity, Segments, Skeleton, Split, Tabs, type Tab } from '@/ui'
import { Star } from '../watch/Groups'
import { intent } from '../ticket/intent'
import { Ticket } from '../ticket/Ticket'
import { CandleChart, type Interval } from './Candles'
import { Auction, Depth } from './Depth'
import { Facts } from './Facts'
import { MinuteChart } from './Minutes'
import { Ticks } from './Ticks'

type View = 'minutes' | Interval
type Part = 'depth' | 'ticks' | 'ticket' | 'facts'
const views: View[] = ['minutes', '1m', '5m', '15m', '30m', '60m', 'day', 'week', 'month']

/** One security: its charts, its depth, its trades and what is known of it; the ticket beside. */
export default function Page({ params }: { params: Record<string, string | undefined> }) {
  const { t } = useTranslation('security')
  const symbol = (params['symbol'] ?? '').toUpperCase()
  const phone = usePhone()
  const [, go] = useLocation()
  const [view, setView] = useHabit<View>('security', 'view', 'minutes')
  const [part, setPart] = useState<Part>(phone ? 'depth' : 'ticks')
  const asked = useQuery({ queryKey: ['security', symbol], staleTime: 60_000, queryFn: ({ signal }) => call('get', '/api/v1/securities/{symbol}', { path: { symbol }, signal }) })
  if (asked.isError) return <div className="p-6"><Failed error={asked.error} onRetry={() => void asked.refetch()} /><p className="text-center"><Button icon="back" onClick={() => go('/market')}>{t('toMarket')}</Button></p></div>
  if (asked.isPending) return <Skeleton lines={10} />
  const security = asked.data
  const name = security.name
  const trade = (next: { side?: 'buy' | 'sell'; price?: string }) => {
    intent.set({ symbol, ...next })
    if (phone) go(`/trade/${symbol}`)
    else setPart('ticket')
  }
  const chart = (
    <section aria-label={t('chart')} className="flex h-full min-h-0 flex-col bg-surface">
      <div className="px-2 pt-1"><Segments<View> label={t('intervals')} value={view} onChange={setView} options={views.map((key) => ({ key, label: t(`interval.${key}`) }))} /></div>
      <div className="min-h-0 flex-1">{view === 'minutes' ? <MinuteChart key={symbol} symbol={symbol} name={name} /> : <CandleChart key={symbol} symbol={symbol} name={name} interval={view} />}</div>
      <p className="px-3 pb-1 text-right text-[11px] text-muted">{t('charts')} <a className="underline" href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView Lightweight Charts™</a><span className="max-phone:hidden"> · © 2026 TradingView, Inc.</span></p>
    </section>
  )
  const depth = <Depth symbol={symbol} onPrice={(price) => trade({ price })} />
  const tabs: Tab<Part>[] = [
    ...(phone ? [{ key: 'depth' as const, label: t('depth'), content: depth }] : []),
    { key: 'ticks', label: t('ticks'), content: <Ticks symbol={symbol} /> },
    ...(phone ? [] : [{ key: 'ticket' as const, label: t('ticket'), content: <div className="h-full overflow-auto"><Ticket symbol={symbol} onSymbol={(next) => go(`/security/${next}`)} /></div> }]),
    { key: 'facts', label: t('facts'), content: <div className="h-full overflow-auto" tabIndex={0}><Facts symbol={symbol} security={security} /></div> },
  ]
  const shown = tabs.some((tab) => tab.key === part) ? part : tabs[0]!.key
  const head = <Head symbol={symbol} name={name} security={security} onTrade={(side) => trade({ side })} phone={phone} />
  if (phone) return (
    <div className="flex min-h-full flex-col gap-2 pb-16">
      {head}
      <div className="h-[430px]">{chart}</div>
      <Tabs label={t('parts')} tabs={tabs} value={shown} onChange={setPart} className="h-[580px] bg-surface" contentClassName="overflow-auto" />
      <div className="fixed inset-x-0 bottom-[calc(57px+env(safe-area-inset-bottom))] flex gap-2 border-t border-line bg-surface p-2 [&>*]:flex-1">
        <Button look="buy" onClick={() => trade({ side: 'buy' })}>{t('buy')}</Button><Button look="sell" onClick={() => trade({ side: 'sell' })}>{t('sell')}</Button>
      </div>
    </div>
  )
  return (
    <div className="flex h-full min-h-0 flex-col">
      {head}
      <Split area="security" label={t('resize')} panes={[
        { id: 'chart', size: 75, min: '40%', content: chart },
        { id: 'side', size: 25, min: '290px', className: 'flex flex-col gap-1.5 bg-ground', content: <>
          <div className="shrink-0 bg-surface pb-1">{depth}</div>
          <Tabs label={t('parts')} tabs={tabs} value={shown} onChange={setPart} className="min-h-[220px] flex-1 bg-surface" contentClassName="h-full overflow-hidden" />
        </> },
      ]} />
    </div>
  )
}

function Head({ symbol, name, security, onTrade, phone }: { symbol: string; name: string; security: Schemas['Security']; onTrade: (side: 'buy' | 'sell') => void; phone: boolean }) {
  const { t } = useTranslation('security')
  const quote = useQuote(symbol)
  const stale = useAge(symbol) > 0
  // Before the first trade of the day the call's price so far stands where the last price will.
  const auction = quote?.auction
  const called = auction && parse(quote.last)?.units === 0n ? auction.price : undefined
  const [price, close] = [parse(called), parse(quote?.previous_close)]
  const change = price && close ? subtract(price, close) : undefined
  const ratio = change && close ? divide(change, close, 6) : undefined
  const small = 'rounded px-1.5 text-[11px] font-medium'
  return (
    <header className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line bg-surface px-3 py-2">
      <div><h1 className="text-[17px] leading-tight font-semibold">{name}</h1><p className="num text-[12px] text-muted">{symbol}</p></div>
      <Star symbol={symbol} name={name} className="-ml-3" />
      <div><Price value={called ?? quote?.last} than={quote?.previous_close} stale={stale} className="block text-[24px] leading-none font-semibold" />{called ? <span className="text-[11px] text-muted">{t('auction.price')}</span> : null}</div>
      <div className="flex flex-col text-[13px] leading-tight"><Percent ratio={ratio ? text(ratio) : quote?.change_ratio} stale={stale} /><Change value={change ? text(change) : quote?.change} stale={stale} mark={false} /></div>
      <div className="flex flex-wrap items-center gap-1.5">
        <Marks symbol={symbol} suspended={security.cn.suspended} />
        {quote ? <span className={`${small} bg-raised text-muted`}>{t(`phase.${quote.phase}`)}</span> : null}
        {security.cn.st ? <span className={`${small} bg-warn-soft text-warn`}>ST</span> : null}
        <Age symbol={symbol} />
      </div>
      <dl className="num grid grid-flow-col grid-rows-2 gap-x-6 gap-y-0.5 text-[12px] phone:ml-4 max-phone:w-full max-phone:grid-rows-3 max-phone:gap-x-4 max-wide:phone:hidden [&_dd]:ml-2 [&_dt]:text-muted [&>div]:flex [&>div]:items-baseline [&>div]:justify-between">
        {(['open', 'previous_close', 'high', 'low'] as const).map((key) => (
          <div key={key}><dt>{t(key === 'previous_close' ? 'previousClose' : key)}</dt><dd><Price value={quote?.[key]} than={key === 'previous_close' ? undefined : quote?.previous_close} stale={stale} /></dd></div>
        ))}
        <div><dt>{t('volume')}</dt><dd><Quantity value={quote?.volume} short /></dd></div>
        <div><dt>{t('turnover')}</dt><dd><Money value={quote?.turnover} short /></dd></div>
        <div className="max-phone:hidden"><dt>{t('limitUp')}</dt><dd>{quote?.limit_up ? <Price value={quote.limit_up} than={quote.previous_close} /> : <span className="text-faint">{t('noLimit')}</span>}</dd></div>
        <div className="max-phone:hidden"><dt>{t('limitDown')}</dt><dd>{quote?.limit_down ? <Price value={quote.limit_down} than={quote.previous_close} /> : <span className="text-faint">{t('noLimit')}</span>}</dd></div>
      </dl>
      {phone && auction ? <div className="w-full"><Auction quote={quote} auction={auction} /></div> : null}
      {phone ? null : <div className="ml-auto flex gap-2"><Button look="buy" onClick={() => onTrade('buy')}>{t('buy')}</Button><Button look="sell" onClick={() => onTrade('sell')}>{t('sell')}</Button></div>}
    </header>
  )
}
