import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '@/api/client'
import { decimal, divide, parse, subtract, text, type Decimal } from '@/lib/decimal'
import { useQuote } from '@/live/hooks'
import { Money, percent, Price, Quantity } from '@/ui'

const zero = (d: Decimal | undefined) => !d || d.units === 0n

/** What is known of a security: its day, its limits, its rules. */
export function Facts({ symbol, security }: { symbol: string; security: Schemas['Security'] }) {
  const { t } = useTranslation('security')
  const quote = useQuote(symbol)
  const { cn } = security
  const before = parse(quote?.previous_close ?? cn.prev_close)
  const [high, low] = [parse(quote?.high), parse(quote?.low)]
  const swing = high && low && before && !zero(high) && !zero(before) ? divide(subtract(high, low), before, 6) : undefined
  const average = quote && quote.volume > 0 ? divide(decimal(quote.turnover), decimal(String(quote.volume)), 3) : undefined
  const price = (value: string | null | undefined) => <Price value={value} than={quote?.previous_close} />
  const yes = (value: boolean) => t(value ? 'yes' : 'no')
  const rows: [string, ReactNode][] = [
    ['open', price(quote?.open)], ['previousClose', <Price key="p" value={quote?.previous_close ?? cn.prev_close} />],
    ['high', price(quote?.high)], ['low', price(quote?.low)],
    ['limitUp', quote?.limit_up ? price(quote.limit_up) : t('noLimit')], ['limitDown', quote?.limit_down ? price(quote.limit_down) : t('noLimit')],
    ['volume', <Quantity key="v" value={quote?.volume} short />], ['turnover', <Money key="t" value={quote?.turnover} short />],
    ['trades', <Quantity key="n" value={quote?.trades} />], ['average', average ? text(average) : '–'],
    ['amplitude', swing ? percent(swing) : '–'], ['board', t(`boards.${cn.board}`)],
    ['condition', t(`conditions.${cn.condition}`)], ['lot', <Quantity key="l" value={cn.buy_lot} />],
    ['tick', security.price_increment], ['most', <Quantity key="m" value={cn.max_qty} />],
    ['sameDay', yes(cn.t_plus_zero)], ['listed', cn.listed ?? '–'],
  ]
  return (
    <dl className="num grid grid-cols-2 gap-x-4 px-3 py-1">
      {rows.map(([name, value]) => <div key={name} className="flex h-7 items-center justify-between gap-2 border-b border-line/60"><dt className="text-muted">{t(name)}</dt><dd>{value}</dd></div>)}
    </dl>
  )
}
