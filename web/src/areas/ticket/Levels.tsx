import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { useAge, useDepth, useQuote } from '@/live/hooks'
import { cx } from '@/lib/cx'
import { Age, Marks, Percent, Price, Quantity } from '@/ui'

/** Five levels beside the ticket: a click takes the price. */
export const Levels = memo(function Levels({ symbol, onPrice, className }: { symbol: string; onPrice: (price: string) => void; className?: string }) {
  const { t } = useTranslation('ticket')
  const depth = useDepth(symbol)
  const quote = useQuote(symbol)
  const stale = useAge(symbol) > 0
  const row = (kind: 'ask' | 'bid', n: number) => {
    const level = (kind === 'ask' ? depth?.asks : depth?.bids)?.[n]
    const label = t(kind === 'ask' ? 'level.ask' : 'level.bid', { n: n + 1 })
    return (
      <button key={kind + n} type="button" disabled={!level} onClick={() => level && onPrice(level.price)}
        className="flex h-[26px] items-center gap-2 px-2 text-left enabled:hover:bg-hover max-phone:h-11 max-phone:gap-1 max-phone:px-1.5">
        <span className="w-8 shrink-0 text-muted max-phone:w-7">{label}</span>
        <Price value={level?.price} than={quote?.previous_close} stale={stale} className="flex-1" />
        <Quantity value={level?.quantity} short className={cx('text-right', stale && 'text-stale')} />
      </button>
    )
  }
  return (
    <div className={cx('flex flex-col', className)} role="group" aria-label={t('level.label')}>
      {[4, 3, 2, 1, 0].map((n) => row('ask', n))}
      <div className="my-0.5 flex min-h-8 flex-wrap items-center gap-x-2 border-y border-line px-2 max-phone:px-1.5">
        <Price value={quote?.last} than={quote?.previous_close} stale={stale} className="text-[16px] font-semibold" />
        <Percent ratio={quote?.change_ratio} stale={stale} mark={false} />
        <Marks symbol={symbol} /><Age symbol={symbol} className="text-[11px]" />
      </div>
      {[0, 1, 2, 3, 4].map((n) => row('bid', n))}
    </div>
  )
})
