import { useTranslation } from 'react-i18next'
import { useAge, useDepth, useQuote } from '@/live/hooks'
import { cx } from '@/lib/cx'
import { useHabit } from '@/lib/preferences'
import type { Quote } from '@/live/live'
import { Price, Quantity, Segments } from '@/ui'

/** What the call would bring now. */
export function Auction({ quote, auction }: { quote: Quote; auction: NonNullable<Quote['auction']> }) {
  const { t } = useTranslation('security')
  return (
    <dl className="num grid grid-cols-3 gap-2 rounded-control bg-accent-soft px-2 py-1 [&_dt]:text-[11px] [&_dt]:text-muted" data-auction>
      <div><dt>{t('auction.price')}</dt><dd><Price value={auction.price} than={quote.previous_close} /></dd></div>
      <div><dt>{t('auction.matched')}</dt><dd><Quantity value={auction.matched} /></dd></div>
      <div><dt>{t('auction.unmatched')}</dt><dd>{auction.unmatched_side ? t(`auction.${String(auction.unmatched_side).toLowerCase()}`) + ' ' : ''}<Quantity value={auction.unmatched} /></dd></div>
    </dl>
  )
}

/** Five or ten levels of both sides, each with its size as a bar; a click on one says its price. In a call, what it would bring. */
export function Depth({ symbol, onPrice }: { symbol: string; onPrice: (price: string) => void }) {
  const { t } = useTranslation('security')
  const [levels, setLevels] = useHabit<'5' | '10'>('security', 'levels', '5')
  const depth = useDepth(symbol)
  const quote = useQuote(symbol)
  const stale = useAge(symbol, 'depth') > 0
  const n = Number(levels)
  const most = Math.max(1, ...[...(depth?.asks ?? []), ...(depth?.bids ?? [])].slice().map((l) => l.quantity))
  const row = (side: 'ask' | 'bid', i: number) => {
    const level = (side === 'ask' ? depth?.asks : depth?.bids)?.[i]
    const label = t(`level.${side}`, { n: i + 1 })
    return (
      <button key={side + i} type="button" disabled={!level} data-level={`${side}${i + 1}`} onClick={() => level && onPrice(level.price)}
        className="relative flex h-6 w-full items-center gap-2 px-3 text-left hover:bg-hover max-phone:h-11">
        {level ? <span aria-hidden="true" className={cx('absolute inset-y-0.5 right-0 rounded-l-sm', side === 'ask' ? 'bg-down-soft' : 'bg-up-soft')} style={{ width: `${Math.max(1, (level.quantity / most) * 45)}%` }} /> : null}
        <span className="relative w-9 shrink-0 text-muted">{label}</span>
        <Price value={level?.price} than={quote?.previous_close} stale={stale} className="relative flex-1" />
        <Quantity value={level?.quantity} className={cx('relative', stale && 'text-stale')} />
        <span className="num relative w-8 text-right text-[11px] text-muted" title={t('level.orders')}>{level ? `(${level.orders})` : ''}</span>
        {level ? <span className="sr-only">{t('level.take')}</span> : null}
      </button>
    )
  }
  const both = (side: 'bids' | 'asks') => (depth?.[side] ?? []).reduce((sum, l) => sum + l.quantity, 0)
  const [bids, asks] = [both('bids'), both('asks')]
  const auction = quote?.auction
  const count = Array.from({ length: n }, (_, i) => i)
  return (
    <section aria-label={t('depth')}>
      <header className="flex items-center justify-between gap-2 px-3 py-1 max-phone:justify-end">
        <h2 className="font-medium max-phone:sr-only">{t('depth')}</h2>
        <Segments label={t('levels')} value={levels} onChange={setLevels} options={[{ key: '5', label: t('five') }, { key: '10', label: t('ten') }]} />
      </header>
      {auction ? <div className="mx-3 mb-1 max-phone:hidden"><Auction quote={quote} auction={auction} /></div> : null}
      {count.slice().reverse().map((i) => row('ask', i))}
      <div className="my-0.5 flex h-7 items-center gap-3 border-y border-line px-3">
        <Price value={quote?.last} than={quote?.previous_close} stale={stale} className="text-[15px] font-semibold" />
        {bids + asks > 0 ? <span className="num ml-auto text-[11px] text-muted">{t('ratioOf', { bids: Math.round((bids / (bids + asks)) * 100), asks: 100 - Math.round((bids / (bids + asks)) * 100) })}</span> : null}
      </div>
      {count.map((i) => row('bid', i))}
    </section>
  )
}
