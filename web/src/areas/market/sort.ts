import type { Schemas } from '@/api/client'
import type { Sort } from '@/ui'

type Security = Schemas['Security']

/** The columns whose order the server makes, once a second for everybody: a screen has the quotes that it shows, not all. */
export const liveKeys = ['last', 'ratio', 'change', 'bid', 'ask', 'volume', 'turnover'] as const
export type LiveKey = (typeof liveKeys)[number]

export const isLive = (key: string | undefined): key is LiveKey => (liveKeys as readonly string[]).includes(key ?? '')

const pinyin = new Intl.Collator('zh-CN-u-co-pinyin')

/** Rows by a column; order: the server's for a live one, largest first. What is not in it comes last, either way. */
export function sorted(rows: readonly Security[], sort: Sort | undefined, order: readonly string[] | undefined): readonly Security[] {
  if (!sort) return rows
  const way = sort.down ? -1 : 1
  if (!isLive(sort.key)) {
    const by = sort.key === 'name' ? (a: Security, b: Security) => pinyin.compare(a.name, b.name) : (a: Security, b: Security) => (a.symbol < b.symbol ? -1 : 1)
    return [...rows].sort((a, b) => way * by(a, b))
  }
  if (!order) return rows
  const place = new Map(order.map((symbol, i) => [symbol, i]))
  return [...rows].sort((a, b) => {
    const [x, y] = [place.get(a.symbol), place.get(b.symbol)]
    if (x === undefined || y === undefined) return (x === undefined ? 1 : 0) - (y === undefined ? 1 : 0)
    return sort.down ? x - y : y - x
  })
}
