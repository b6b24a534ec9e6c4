import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, type Schemas } from '@/api/client'
import { useQuote, useTicks } from '@/live/hooks'
import { clock } from '@/lib/time'
import { Button, EmptyState, Price, Quantity, toastError } from '@/ui'

type Tick = Schemas['ScreenTick']
const shown = 120

/** The newest trades, newest first; older ones of the day on request. Who came to the market is told by a word. */
export function Ticks({ symbol }: { symbol: string }) {
  const { t, i18n } = useTranslation('security')
  const live = useTicks(symbol)
  const quote = useQuote(symbol)
  const [past, setPast] = useState<{ symbol: string; ticks: Tick[]; before: number | null }>()
  const older = past?.symbol === symbol ? past : undefined
  const newest = live ? live.slice(-shown).reverse() : []
  const end = newest[newest.length - 1]?.number ?? Infinity
  const rows = older ? [...newest, ...older.ticks.filter((tick) => tick.number < end)] : newest
  const last = rows[rows.length - 1]
  const more = () => void call('get', '/api/v1/ticks/{symbol}', { path: { symbol }, query: { before: last?.number, limit: 200 } })
    .then((got) => setPast({ symbol, ticks: [...(older?.ticks ?? []), ...got.ticks], before: got.before }))
    .catch((error: unknown) => toastError(error, i18n.language))
  if (rows.length === 0) return <EmptyState title={t('noTicks')} />
  return (
    <div className="h-full overflow-auto outline-offset-[-2px]" tabIndex={0} role="region" aria-label={t('ticks')}>
      <table className="num w-full">
        <thead className="sticky top-0 bg-surface text-left text-[11px] text-muted">
          <tr><th scope="col" className="px-3 py-1 font-normal">{t('time')}</th><th scope="col" className="px-1 text-right font-normal">{t('price')}</th><th scope="col" className="px-1 text-right font-normal">{t('quantity')}</th><th scope="col" className="w-12 px-3 text-right font-normal">{t('side')}</th></tr>
        </thead>
        <tbody>
          {rows.map((tick) => (
            <tr key={`${tick.day} ${tick.number}`} data-tick={tick.number} className="h-[22px] max-phone:h-8">
              <td className="px-3 text-muted">{clock(tick.time)}</td>
              <td className="px-1 text-right"><Price value={tick.price} than={quote?.previous_close} /></td>
              <td className="px-1 text-right"><Quantity value={tick.quantity} /></td>
              <td className={`px-3 text-right ${tick.side === 'buy' ? 'text-up' : tick.side === 'sell' ? 'text-down' : 'text-muted'}`}>{t(`by.${tick.side}`)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {older?.before === null ? null : <p className="p-2 text-center"><Button size="small" onClick={more}>{t('earlier')}</Button></p>}
    </div>
  )
}
