import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { callOther } from '@/api/client'
import { day } from '@/lib/time'
import { decimal, round, text } from '@/lib/decimal'
import { Card, Failed, Money, Percent, Segments, Skeleton } from '@/ui'
import { curve } from './curve'

interface History { timestamp: number[]; equity: number[]; profit_loss: number[]; profit_loss_pct: number[]; base_value: number; cashflow: Record<string, number[]> }
type Period = '1W' | '1M' | '3M' | '1A' | 'all'
const periods: Period[] = ['1W', '1M', '3M', '1A', 'all']
const [width, height] = [600, 160]

/** What the account was worth at the start of each trading day, and is worth now, above what was put in (dashed): money and shares that came in or left are no profit. */
export function Equity() {
  const { t } = useTranslation('account')
  const [period, setPeriod] = useState<Period>('1M')
  const [at, setAt] = useState<number>()
  const history = useQuery({ queryKey: ['equity', period], queryFn: ({ signal }) => callOther<History>('get', `/v2/account/portfolio/history?timeframe=1D&period=${period}`, { signal }) })
  const data = history.data
  const drawn = data && curve(data.equity, width, height, data.equity.map((v, i) => v - (data.profit_loss[i] ?? 0)))
  const n = data ? (at ?? data.equity.length - 1) : 0
  const cents = (v: number | undefined) => (v === undefined ? undefined : text(round(decimal(v.toFixed(4)), 2)))
  const flows = data ? Object.values(data.cashflow).reduce((sum, of) => sum + (of[n] ?? 0), 0) : 0
  const gain = (data?.profit_loss.at(-1) ?? 0) >= 0
  return (
    <Card title={t('curve')} after={<Segments label={t('period')} options={periods.map((key) => ({ key, label: t(`periods.${key}`) }))} value={period} onChange={(p) => { setAt(undefined); setPeriod(p) }} />}>
      {history.isPending ? <Skeleton lines={5} /> : history.isError && !data ? <Failed error={history.error} onRetry={() => void history.refetch()} /> : (
        <>
          <p className="num mb-2 flex flex-wrap items-baseline gap-x-4">
            <span className="text-muted">{data?.timestamp[n] ? day(data.timestamp[n] * 1000) : ''}</span>
            <Money value={cents(data?.equity[n])} className="text-[15px] font-semibold" />
            <Money value={cents(data?.profit_loss[n])} signed /><Percent ratio={data?.profit_loss_pct[n]?.toFixed(6)} mark={false} />
            {flows === 0 ? null : <span className="text-muted">{t('flows')} <Money value={cents(flows)} /></span>}
          </p>
          {drawn ? (
            <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={t('curveLabel', { from: cents(data!.equity[0]), to: cents(data!.equity.at(-1)), n: data!.equity.length })}
              className={`h-40 w-full ${gain ? 'text-up' : 'text-down'}`} onPointerLeave={() => setAt(undefined)}
              onPointerMove={(e) => { const box = e.currentTarget.getBoundingClientRect(); setAt(Math.max(0, Math.min(data!.equity.length - 1, Math.round(((e.clientX - box.left) / box.width) * (data!.equity.length - 1))))) }}>
              <path d={drawn.area} fill="currentColor" opacity={0.12} />
              <path d={drawn.put} fill="none" className="stroke-muted" strokeDasharray="4 4" vectorEffect="non-scaling-stroke" />
              <path d={drawn.line} fill="none" stroke="currentColor" strokeWidth={2} vectorEffect="non-scaling-stroke" />
              {at === undefined ? null : <line x1={(at / (data!.equity.length - 1)) * width} x2={(at / (data!.equity.length - 1)) * width} y1={0} y2={height} className="stroke-muted" vectorEffect="non-scaling-stroke" />}
            </svg>
          ) : <p className="flex h-40 items-center justify-center text-muted">{t('curveNone')}</p>}
        </>
      )}
    </Card>
  )
}
