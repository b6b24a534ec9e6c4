import { memo } from 'react'
import { i18n, useLanguage } from '@/i18n'
import { useAge } from '@/live/hooks'
import { cx } from '@/lib/cx'
import { compact, compare, decimal, parse, round, sign, text, type Decimal } from '@/lib/decimal'
import { span } from '@/lib/time'

// Numbers as the market reads them. Amounts come as exact decimal strings and stay exact. Direction is shown by colour,
// and by a mark and a sign for whoever does not see the colour.

const none = '–'
const tone = (s: number) => (s > 0 ? 'text-up' : s < 0 ? 'text-down' : 'text-text')

export const toneOf = (s: -1 | 0 | 1): string => tone(s)

/** How a number is shown: its words, and the direction that colours it. */
export interface Face { words: string; direction: -1 | 0 | 1 }

/** A price against a reference (the previous close); nothing for 0, which means that there is none yet. */
export function priceFace(value?: string | null, than?: string | null): Face | undefined {
  const price = parse(value)
  if (!price || price.units === 0n) return undefined
  const reference = parse(than)
  return { words: value!, direction: reference && reference.units !== 0n ? compare(price, reference) : 0 }
}

/** A change with its sign. */
export function changeFace(value?: string | null): Face | undefined {
  const change = parse(value)
  if (!change) return undefined
  const s = sign(change)
  return { words: (s > 0 ? '+' : '') + value, direction: s }
}

/** A ratio such as 0.0123 as +1.23%. */
export function percentFace(ratio?: string | null, places = 2): Face | undefined {
  const value = parse(ratio)
  if (!value) return undefined
  // The direction is that of the value, and so is the sign, though rounding leaves nothing: ▼-0.00%.
  const s = sign(value)
  const words = percent(value, places)
  return { words: (s > 0 ? '+' : s < 0 && !words.startsWith('-') ? '-' : '') + words, direction: s }
}

/** A price, coloured against a reference (the previous close). 0 means that there is none yet. */
export const Price = memo(function Price({ value, than, stale, className }: { value?: string | null; than?: string | null; stale?: boolean; className?: string }) {
  const face = priceFace(value, than)
  if (!face) return <span className={cx('num text-faint', className)}>{none}</span>
  return <span className={cx('num', stale ? 'text-stale' : tone(face.direction), className)}>{face.words}</span>
})

/** What stands before a number that has a direction: an arrow for whoever sees it, and a word for whoever hears the page. */
export const markOf = (s: -1 | 0 | 1): { arrow: string; word: string } => ({
  arrow: s > 0 ? '▲' : s < 0 ? '▼' : '', word: i18n.t(s > 0 ? 'direction.up' : s < 0 ? 'direction.down' : 'direction.flat') + ' ',
})
export const arrowLook = 'mr-0.5 text-[.72em]'

function Mark({ s }: { s: -1 | 0 | 1 }) {
  useLanguage()
  const { arrow, word } = markOf(s)
  return <><span aria-hidden="true" className={arrowLook}>{arrow}</span><span className="sr-only">{word}</span></>
}

/** A change with its sign, and a mark for its direction. */
export const Change = memo(function Change({ value, stale, mark = true, className }: { value?: string | null; stale?: boolean; mark?: boolean; className?: string }) {
  const face = changeFace(value)
  if (!face) return <span className={cx('num text-faint', className)}>{none}</span>
  return <span className={cx('num', stale ? 'text-stale' : tone(face.direction), className)}>{mark ? <Mark s={face.direction} /> : null}{face.words}</span>
})

/** A ratio such as 0.0123 as +1.23%. */
export const Percent = memo(function Percent({ ratio, stale, mark = true, places = 2, className }: { ratio?: string | null; stale?: boolean; mark?: boolean; places?: number; className?: string }) {
  const face = percentFace(ratio, places)
  if (!face) return <span className={cx('num text-faint', className)}>{none}</span>
  return <span className={cx('num', stale ? 'text-stale' : tone(face.direction), className)}>{mark ? <Mark s={face.direction} /> : null}{face.words}</span>
})

/** "1.23%" of a ratio. */
export function percent(ratio: string | Decimal, places = 2): string {
  const value = typeof ratio === 'string' ? decimal(ratio) : ratio
  return text(round({ units: value.units * 100n, scale: value.scale }, places)) + '%'
}

/** An average of prices, to a tenth of a cent; exact where one points at it. */
export function Average({ value, className }: { value?: string | null; className?: string }) {
  const price = parse(value)
  if (!price) return <span className={cx('num text-faint', className)}>{none}</span>
  return <span className={cx('num', className)} title={value ?? undefined}>{price.scale > 3 ? text(round(price, 3)) : value}</span>
}

/** A number of shares, grouped; compact: 1.2万 or 12.3K. */
export const Quantity = memo(function Quantity({ value, short, className }: { value?: string | number | null; short?: boolean; className?: string }) {
  const language = useLanguage()
  const quantity = value == null ? undefined : parse(String(value))
  if (!quantity) return <span className={cx('num text-faint', className)}>{none}</span>
  return <span className={cx('num', className)}>{short ? compact(quantity, language) : text(quantity, true)}</span>
})

/** An amount of CNY, to the cent and grouped; short: 1.2亿 or 12.3M; signed: with its sign, direction and colour. */
export const Money = memo(function Money({ value, short, signed, className }: { value?: string | null; short?: boolean; signed?: boolean; className?: string }) {
  const language = useLanguage()
  const amount = parse(value)
  if (!amount) return <span className={cx('num text-faint', className)}>{none}</span>
  const s = sign(amount)
  const shown = short ? compact(amount, language) : text(amount.scale < 2 ? round(amount, 2) : amount, true)
  return <span className={cx('num', signed && tone(s), className)}>{signed ? <Mark s={s} /> : null}{signed && s > 0 ? '+' : ''}{shown}</span>
})

/** How old a price is; nothing while it holds. */
export function Age({ symbol, className }: { symbol: string; className?: string }) {
  const language = useLanguage()
  const age = useAge(symbol)
  if (age === 0 || age === Infinity) return null
  return <span className={cx('num text-stale', className)}>{i18n.t('state.stale', { age: span(age, language) })}</span>
}
