import { useQuery } from '@tanstack/react-query'
import { CandlestickSeries, HistogramSeries, LineSeries, type ISeriesApi, type Time } from 'lightweight-charts'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { toNumber } from '@/lib/decimal'
import { useQuote } from '@/live/hooks'
import { Failed, Quantity, Skeleton } from '@/ui'
import { chartKey, dateOf, hourOf, useChart, wall } from './chart'
import { macd, mean } from './indicators'

export type Interval = '1m' | '5m' | '15m' | '30m' | '60m' | 'day' | 'week' | 'month'
type Candle = Schemas['Candles']['candles'][number]
const spans = [5, 10, 20, 60]

/** The candles of an interval: the newest page asked for again and again, older pages as somebody scrolls to them. */
function useCandles(symbol: string, interval: Interval) {
  const [older, setOlder] = useState<{ of: string; candles: Candle[]; before: string | null }>()
  const busy = useRef(false)
  const of = `${symbol} ${interval}`
  const page = (limit: number, before?: string, signal?: AbortSignal) => call('get', '/api/v1/candles/{symbol}', { path: { symbol }, query: { interval, limit, before }, signal })
  const newest = useQuery({ queryKey: ['candles', symbol, interval], refetchInterval: 10_000, queryFn: ({ signal }) => page(200, undefined, signal) })
  const past = older?.of === of ? older : undefined
  const candles = useMemo(() => {
    const fresh = newest.data?.candles ?? []
    return [...(past?.candles ?? []).filter((c) => !fresh[0] || c.time < fresh[0].time), ...fresh]
  }, [newest.data, past])
  const more = () => {
    const before = past ? past.before : newest.data?.before
    if (!before || busy.current) return
    busy.current = true
    page(500, before).then((got) => setOlder((had) => {
      const mine = had?.of === of ? had : undefined
      if (mine && mine.before !== before) return had // it was asked for twice, before the first answer was drawn
      return { of, candles: [...got.candles, ...(mine?.candles ?? newest.data!.candles)], before: got.before }
    }))
      .catch(() => {}).finally(() => { busy.current = false }) // the next move asks again
  }
  return { newest, candles, more, older: (past ? past.before : newest.data?.before) ?? null }
}

export function CandleChart({ symbol, name, interval }: { symbol: string; name: string; interval: Interval }) {
  const { t } = useTranslation('security')
  const { newest, candles, more } = useCandles(symbol, interval)
  const quote = useQuote(symbol)
  const element = useRef<HTMLDivElement>(null)
  const further = useRef(more)
  further.current = more
  const [hover, setHover] = useState<Time>()
  const minutes = interval.endsWith('m')
  const placeOf = (c: Candle): Time => (minutes ? wall(c.time) : (c.day as Time))
  const parts = useRef<{ candle: ISeriesApi<'Candlestick'>; averages: ISeriesApi<'Line'>[]; volume: ISeriesApi<'Histogram'>; dif: ISeriesApi<'Line'>; dea: ISeriesApi<'Line'>; bar: ISeriesApi<'Histogram'>; up: string; down: string; fresh: boolean }>(undefined)
  const chart = useChart(element, (chart, ink) => {
    const plain = { priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false, lineWidth: 1 as const }
    // A rise is hollow and a fall is full, for whoever does not see the colours.
    const candle = chart.addSeries(CandlestickSeries, { upColor: ink.surface, downColor: ink.down, borderUpColor: ink.up, borderDownColor: ink.down, wickUpColor: ink.up, wickDownColor: ink.down })
    const averages = spans.map((_, i) => chart.addSeries(LineSeries, { ...plain, color: ink.lines[i] }))
    const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: 'volume' }, priceLineVisible: false, lastValueVisible: false }, 1)
    const bar = chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, 2)
    const dif = chart.addSeries(LineSeries, { ...plain, color: ink.lines[0] }, 2)
    const dea = chart.addSeries(LineSeries, { ...plain, color: ink.lines[1] }, 2)
    chart.panes()[0]?.setStretchFactor(3)
    parts.current = { candle, averages, volume, dif, dea, bar, up: ink.up, down: ink.down, fresh: true }
    chart.subscribeCrosshairMove((move) => setHover(move.time))
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => { if (range && range.from < 20) further.current() })
    return () => { parts.current = undefined }
  }, [symbol, interval], {
    timeScale: { timeVisible: minutes, secondsVisible: false, rightOffset: 4, barSpacing: 8, minBarSpacing: 1 },
    localization: { timeFormatter: dateOf },
  })
  const live = useMemo(() => {
    const end = candles[candles.length - 1]
    if (!end || !quote || Number(quote.last) === 0) return candles
    const at = Date.parse(quote.time)
    if (at < Date.parse(end.time)) return candles
    const [high, low] = [toNumber(quote.last) > toNumber(end.high) ? quote.last : end.high, toNumber(quote.last) < toNumber(end.low) ? quote.last : end.low]
    return [...candles.slice(0, -1), { ...end, close: quote.last, high, low }]
  }, [candles, quote?.last])
  const closes = useMemo(() => live.map((c) => toNumber(c.close)), [live])
  const means = useMemo(() => spans.map((n) => mean(closes, n)), [closes])
  const trend = useMemo(() => macd(closes), [closes])
  useEffect(() => {
    const p = parts.current
    if (!p || live.length === 0) return
    const times = live.map(placeOf)
    const rose = (c: Candle) => toNumber(c.close) >= toNumber(c.open)
    p.candle.setData(live.map((c, i) => ({ time: times[i]!, open: toNumber(c.open), high: toNumber(c.high), low: toNumber(c.low), close: toNumber(c.close) })))
    p.averages.forEach((series, k) => series.setData(means[k]!.flatMap((value, i) => (value === undefined ? [] : [{ time: times[i]!, value }]))))
    p.volume.setData(live.map((c, i) => ({ time: times[i]!, value: c.volume, color: rose(c) ? p.up : p.down })))
    p.dif.setData(trend.dif.map((value, i) => ({ time: times[i]!, value })))
    p.dea.setData(trend.dea.map((value, i) => ({ time: times[i]!, value })))
    p.bar.setData(trend.bar.map((value, i) => ({ time: times[i]!, value, color: value >= 0 ? p.up : p.down })))
    if (p.fresh) { chart.current?.timeScale().setVisibleLogicalRange({ from: live.length - Math.min(120, live.length), to: live.length + 3 }); p.fresh = false }
  })
  if (newest.isError && candles.length === 0) return <Failed error={newest.error} onRetry={() => void newest.refetch()} />
  const found = hover === undefined ? -1 : live.findIndex((c) => placeOf(c) === hover)
  const at = found < 0 ? live.length - 1 : found
  const shown = live[at]
  const inks = ['text-warn', 'text-accent', 'text-chart-3', 'text-chart-4']
  return (
    <div className="flex h-full min-h-0 flex-col">
      <p className="num flex min-h-6 flex-wrap gap-x-3 px-3 py-1 text-[12px] text-muted">
        {shown ? <>
          <span>{minutes ? `${shown.day} ${hourOf(wall(shown.time))}` : shown.day}</span>
          <span>{t('o')} {shown.open}</span><span>{t('h')} {shown.high}</span><span>{t('l')} {shown.low}</span><span>{t('c')} {shown.close}</span>
          <span>{t('volume')} <Quantity value={shown.volume} short /></span>
          {spans.map((n, k) => <span key={n} className={inks[k]}>MA{n} {means[k]![at]?.toFixed(2) ?? '–'}</span>)}
          <span>MACD <span className="text-warn">DIF {trend.dif[at]?.toFixed(3)}</span> <span className="text-accent">DEA {trend.dea[at]?.toFixed(3)}</span></span>
        </> : null}
      </p>
      {newest.isPending ? <Skeleton lines={6} /> : null}
      <div ref={element} role="img" tabIndex={0} aria-label={t('candleLabel', { name, interval: t(`interval.${interval}`), open: shown?.open ?? '–', high: shown?.high ?? '–', low: shown?.low ?? '–', close: shown?.close ?? '–' })}
        data-chart={interval} data-points={live.length} onKeyDown={(event) => chartKey(chart.current, event)} className="min-h-0 flex-1 outline-offset-[-2px]" />
    </div>
  )
}
