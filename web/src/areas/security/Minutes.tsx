import { useQuery } from '@tanstack/react-query'
import { AreaSeries, HistogramSeries, LineSeries, LineStyle, type AutoscaleInfo, type ISeriesApi, type Time, type WhitespaceData } from 'lightweight-charts'
import { useEffect, useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { decimal, round, text, toNumber } from '@/lib/decimal'
import { day } from '@/lib/time'
import { useQuote } from '@/live/hooks'
import { Failed, Price, Quantity, Skeleton } from '@/ui'
import { chartKey, hourOf, useChart, wall } from './chart'

type Minutes = Schemas['Minutes']

/** When a trading minute begins; where noon was left out, both of its ends: "11:30/13:00". */
export function clockOf(data: Pick<Minutes, 'spans'>, index: number): string {
  let end = ''
  for (const span of data.spans) {
    const at = hourOf((Number(wall(span.from)) + index * 60) as Time)
    if (index < span.minutes) return index === 0 && end ? `${end}/${at}` : at
    index -= span.minutes
    end = hourOf(wall(span.until))
  }
  return end
}

/** 分时图: the day's price and its average, over all of its trading minutes; the volume of each below. */
export function MinuteChart({ symbol, name }: { symbol: string; name: string }) {
  const { t } = useTranslation('security')
  const element = useRef<HTMLDivElement>(null)
  const parts = useRef<{ price: ISeriesApi<'Area'>; average: ISeriesApi<'Line'>; volume: ISeriesApi<'Histogram'>; up: string; down: string }>(undefined)
  const asked = useQuery({ queryKey: ['minutes', symbol], refetchInterval: 10_000, queryFn: ({ signal }) => call('get', '/api/v1/minutes/{symbol}', { path: { symbol }, signal }) })
  const quote = useQuote(symbol)
  const data = asked.data?.symbol === symbol ? asked.data : undefined
  const reference = data?.previous_close ?? quote?.previous_close
  const grid = data?.grid ?? 0
  const spans = JSON.stringify(data?.spans ?? [])
  const place = useMemo(() => (grid > 0 ? (m: Minutes['minutes'][number]) => (m.index ?? 0) * 60 as Time : (m: Minutes['minutes'][number]) => wall(m.time)), [grid])
  // The previous close stands in the middle, so that the height of the line says how far the day has gone.
  const around = (usual: () => AutoscaleInfo | null) => {
    const info = usual()
    if (!info?.priceRange || !reference) return info
    const middle = toNumber(reference)
    const far = Math.max(info.priceRange.maxValue - middle, middle - info.priceRange.minValue, middle * 0.002)
    return { ...info, priceRange: { minValue: middle - far, maxValue: middle + far } }
  }
  const chart = useChart(element, (chart, ink) => {
    const price = chart.addSeries(AreaSeries, { lineColor: ink.accent, lineWidth: 2, topColor: ink.accent + '44', bottomColor: ink.accent + '05', priceLineVisible: false, autoscaleInfoProvider: around })
    const average = chart.addSeries(LineSeries, { color: ink.warn, lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false })
    const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: 'volume' }, priceLineVisible: false, lastValueVisible: false }, 1)
    chart.panes()[1]?.setStretchFactor(0.35)
    if (reference) price.createPriceLine({ price: toNumber(reference), color: ink.faint, lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: true, title: '' })
    parts.current = { price, average, volume, up: ink.up, down: ink.down }
    return () => { parts.current = undefined }
  }, [symbol, spans, reference, data === undefined], {
    handleScroll: false, handleScale: false, // the whole day is always there
    timeScale: { timeVisible: true, secondsVisible: false, minBarSpacing: 0.5, tickMarkFormatter: (time: Time) => (grid > 0 && data ? clockOf(data, Number(time) / 60) : hourOf(time)) },
    localization: { timeFormatter: (time: Time) => (grid > 0 && data ? clockOf(data, Number(time) / 60) : hourOf(time)) },
  })
  useEffect(() => {
    const p = parts.current
    if (!p || !data) return
    const seen = data.minutes.filter((m) => grid === 0 || m.index !== null)
    // The day's whole width is there from the morning on: a minute in which nothing was traded yet is blank.
    const at = new Map(seen.map((m) => [place(m), { time: place(m), value: toNumber(m.price) }]))
    const whole = Array.from({ length: grid }, (_, i) => at.get(i * 60 as Time) ?? ({ time: i * 60 as Time } as WhitespaceData<Time>))
    p.price.setData(grid > 0 ? whole : [...at.values()])
    p.average.setData(seen.map((m) => ({ time: place(m), value: toNumber(m.average) })))
    p.volume.setData(seen.map((m, i) => ({ time: place(m), value: m.volume, color: toNumber(m.price) >= toNumber(seen[i - 1]?.price ?? reference ?? m.price) ? p.up : p.down })))
    if (grid > 0) chart.current?.timeScale().setVisibleLogicalRange({ from: 0, to: grid - 1 })
    else chart.current?.timeScale().fitContent()
  })
  const last = data?.minutes[data.minutes.length - 1]
  if (asked.isError && !data) return <Failed error={asked.error} onRetry={() => void asked.refetch()} />
  return (
    <div className="relative flex h-full min-h-0 flex-col">
      <p className="num flex flex-wrap gap-x-4 px-3 py-1 text-[12px] text-muted">
        <span>{data ? day(data.day) : ''}</span>
        <span>{t('price')} <Price value={last?.price} than={reference} /></span>
        <span className="text-warn">{t('average')} {last ? text(round(decimal(last.average), 3)) : '–'}</span>
        <span>{t('volume')} <Quantity value={last?.volume} short /></span>
      </p>
      {asked.isPending ? <Skeleton lines={6} /> : null}
      <div ref={element} role="img" tabIndex={0} aria-label={t('minuteLabel', { name, price: last?.price ?? quote?.last ?? '–', average: last?.average ?? '–' })} data-chart="minutes" data-points={data?.minutes.length}
        onKeyDown={(event) => chartKey(chart.current, event)} className="min-h-0 flex-1 outline-offset-[-2px]" />
      {data?.minutes.length === 0 ? <p className="absolute inset-x-0 top-1/3 text-center text-muted">{t('noMinutes')}</p> : null}
    </div>
  )
}
