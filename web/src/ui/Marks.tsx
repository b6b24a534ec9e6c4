import { useTranslation } from 'react-i18next'
import { useHalted, useQuotePart } from '@/live/hooks'
import type { Quote } from '@/live/live'
import { cx } from '@/lib/cx'
import { compare, parse } from '@/lib/decimal'

export type MarkName = 'halted' | 'volatility' | 'limitUp' | 'limitDown'

/** What a quote is marked with: halted, or at one of its limits. */
export function marksOf(quote: Pick<Quote, 'last' | 'limit_up' | 'limit_down' | 'phase'> | undefined): MarkName[] {
  if (!quote) return []
  const marks: MarkName[] = []
  if (quote.phase === 'HALTED') marks.push('halted')
  if (quote.phase === 'VOLATILITY_HALT') marks.push('volatility')
  const last = parse(quote.last)
  const at = (limit: string | null) => { const bound = parse(limit); return !!(last && bound && last.units !== 0n && compare(last, bound) === 0) }
  if (at(quote.limit_up)) marks.push('limitUp')
  else if (at(quote.limit_down)) marks.push('limitDown')
  return marks
}

const looks: Record<MarkName, string> = {
  halted: 'bg-warn-soft text-warn', volatility: 'bg-warn-soft text-warn', limitUp: 'bg-up-solid text-white', limitDown: 'bg-down-solid text-white',
}

/** The marks of a security as it is now: halted (by the house or the exchange), suspended for the day, at a limit. */
export function Marks({ symbol, suspended, className }: { symbol: string; suspended?: boolean; className?: string }) {
  const { t } = useTranslation()
  const marks = marksOf(useQuotePart(symbol, (quote) => marksOf(quote).join()))
  const halted = useHalted(symbol)
  // A security that is suspended for the day stands still as one that is halted does: one word for it is enough.
  const words = suspended ? ['suspended' as const, ...marks.filter((mark) => mark !== 'halted')] : [...new Set([...(halted ? ['halted' as const] : []), ...marks])]
  return (
    <>{words.map((mark) => (
      <span key={mark} data-mark={mark} className={cx('shrink-0 rounded px-1 text-[11px] leading-[16px] font-medium whitespace-nowrap', mark === 'suspended' ? looks.halted : looks[mark], className)}>{t(`mark.${mark}`)}</span>
    ))}</>
  )
}
