import type { Schemas } from '@/api/client'
import { add, compare, decimal, divide, multiply, parse, round, text, type Decimal } from '@/lib/decimal'

// What the ticket knows by itself, as plain functions. Whether an order is sound is for the books to say; what is
// computed here only helps to write it.

export type Side = 'buy' | 'sell'
export type Type = Schemas['OrderType']

/** An order as it is written. Price is empty for a market order without protection. */
export interface Wish {
  symbol: string
  side: Side
  type: Type
  price: string
  quantity: string
}

export const priced = (type: Type): boolean => type === 'LIMIT' || type === 'FIXED_PRICE'

/** Which field of the ticket the numbers of a refusal are about: only there its nearest value means something. */
export function fieldOf(reason: string): 'price' | 'quantity' | undefined {
  if (/^QUANTITY_|^ODD_LOT_|^INSUFFICIENT_|^AMOUNT_OVERFLOWS$/.test(reason)) return 'quantity'
  return /^PRICE_|^FIXED_PRICE_VOID$/.test(reason) ? 'price' : undefined
}

/** Whether the exchange takes the type in the phase. A limit order is held by the broker where it is not. */
export function takes(type: Type, phase: string | undefined): boolean {
  if (type === 'LIMIT' || phase === undefined) return true
  return type === 'FIXED_PRICE' ? phase.startsWith('FIXED_PRICE') : phase === 'CONTINUOUS'
}

/** One n-th of the most, in whole lots; all of it for n = 1, odd lot and all. */
export function share(most: string, n: number, lot: string): string {
  const all = BigInt(most)
  if (n === 1) return most
  const size = BigInt(lot) > 0n ? BigInt(lot) : 1n
  const part = all / BigInt(n)
  return String(part - (part % size))
}

/** The price so many ticks away, kept on the tick and within the limits. */
export function step(price: string, tick: string, by: number, low?: string | null, high?: string | null): string {
  const [from, size] = [parse(price), decimal(tick)]
  if (!from) return price
  let to: Decimal = add(onTick(from, size, by < 0), multiply(size, { units: BigInt(by), scale: 0 }))
  if (by !== 0 && compare(onTick(from, size, by < 0), from) !== 0) to = onTick(from, size, by < 0)
  const [least, most] = [parse(low) ?? size, parse(high)]
  if (compare(to, least) < 0) to = least
  if (most && compare(to, most) > 0) to = most
  return text(round(to, size.scale))
}

/** The price, or the next on the tick; a security without rules today has a tick of 0, on which every price is. */
function onTick(price: Decimal, tick: Decimal, up: boolean): Decimal {
  if (tick.units === 0n) return price
  const scale = Math.max(price.scale, tick.scale)
  const [p, t] = [price.units * 10n ** BigInt(scale - price.scale), tick.units * 10n ** BigInt(scale - tick.scale)]
  const rest = p % t
  return { units: rest === 0n ? p : p - rest + (up ? t : 0n), scale }
}

/** Only what can be in a price, or in a number of shares, while somebody types. */
export function typed(value: string, whole: boolean): string {
  const plain = value.replace(/[\uff10-\uff19\uff0e\u3002]/g, (c) => String.fromCharCode(c === '\u3002' ? 46 : c.charCodeAt(0) - 0xfee0))
  const kept = plain.replace(whole ? /[^0-9]/g : /[^0-9.]/g, '')
  const [before = '', ...after] = kept.split('.')
  return (after.length > 0 ? `${before}.${after.join('')}` : before).slice(0, 15)
}

export interface Market {
  last: string
  bid: string
  ask: string
  volume: number
  limit_up?: string | null
  limit_down?: string | null
}

export type Remark =
  | { key: 'aboveLimit' | 'belowLimit' | 'offTick'; grave: true; nearest: string }
  | { key: 'quantityInvalid' | 'tooMany'; grave: true; nearest: string }
  | { key: 'farAbove' | 'farBelow'; grave: false; percent: string }
  | { key: 'largeShare'; grave: false; percent: string }
  | { key: 'thin'; grave: false; percent: string }

const far = decimal('0.02') // a buy so far above the last price, or a sale so far below it, is remarked on
const large = decimal('0.5') // of the cash, or of the position's worth
const thin = decimal('0.05') // of what was traded today

/** What there is to say of an order before it is sent: errors first, with the nearest value that would pass. */
export function remarks(wish: Wish, market: Market | undefined, facts: { tick: string; available?: string; amount?: string; most?: string; valid?: boolean; nearest?: string }): Remark[] {
  const list: Remark[] = []
  const price = priced(wish.type) ? parse(wish.price) : undefined
  const quantity = parse(wish.quantity)
  const tick = decimal(facts.tick)
  const zero = { units: 0n, scale: 0 }
  if (price && market) {
    const [up, down] = [parse(market.limit_up), parse(market.limit_down)]
    if (up && compare(price, up) > 0) list.push({ key: 'aboveLimit', grave: true, nearest: text(up) })
    else if (down && compare(price, down) < 0) list.push({ key: 'belowLimit', grave: true, nearest: text(down) })
    else if (compare(onTick(price, tick, false), price) !== 0) list.push({ key: 'offTick', grave: true, nearest: text(round(onTick(price, tick, wish.side === 'sell'), tick.scale)) })
  }
  if (quantity && compare(quantity, zero) > 0) {
    if (facts.most !== undefined && compare(quantity, decimal(facts.most)) > 0) list.push({ key: 'tooMany', grave: true, nearest: facts.most })
    else if (facts.valid === false) list.push({ key: 'quantityInvalid', grave: true, nearest: facts.nearest ?? '' })
  }
  const last = parse(market?.last)
  if (price && last && last.units !== 0n) {
    const off = divide(add(price, { units: -last.units, scale: last.scale }), last, 4)
    if (off && wish.side === 'buy' && compare(off, far) > 0) list.push({ key: 'farAbove', grave: false, percent: percentText(off) })
    if (off && wish.side === 'sell' && compare(off, { ...far, units: -far.units }) < 0) list.push({ key: 'farBelow', grave: false, percent: percentText({ ...off, units: -off.units }) })
  }
  const [amount, available] = [parse(facts.amount), parse(facts.available)]
  if (wish.side === 'buy' && amount && available && available.units > 0n) {
    const part = divide(amount, available, 4)
    if (part && compare(part, large) > 0) list.push({ key: 'largeShare', grave: false, percent: percentText(part) })
  }
  if (quantity && market && market.volume > 0) {
    const part = divide(quantity, { units: BigInt(market.volume), scale: 0 }, 4)
    if (part && compare(part, thin) > 0) list.push({ key: 'thin', grave: false, percent: percentText(part) })
  }
  return list
}

function percentText(ratio: Decimal): string {
  return text(round({ units: ratio.units * 100n, scale: ratio.scale }, 1)) + '%'
}

/**
 * The name that an order has from us: under it its fate can be asked for, and under it it is never taken twice. It says
 * when it is sent, in milliseconds of the server's clock, so that this is known after a reload too; 0 for a draft.
 */
export function clientOrderId(at: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return 'web-' + Math.round(at).toString(16).padStart(12, '0') + [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')
}

/** When a screen of ours sent an order, by its name; an order is taken within 25 s or not at all. */
export function sentAt(id: string, taken: number): number | undefined {
  const at = Number.parseInt(/^web-([0-9a-f]{12})[0-9a-f]{20}$/.exec(id)?.[1] ?? '', 16)
  return at <= taken && at > taken - 25_000 ? at : undefined
}

/** The body of POST /api/v1/orders. */
export function body(wish: Wish, id: string): Schemas['NewOrder'] {
  return { symbol: wish.symbol, side: wish.side, type: wish.type, quantity: wish.quantity, client_order_id: id,
    ...(wish.price && (priced(wish.type) || wish.symbol.endsWith('.SH')) ? { price: wish.price } : {}) }
}
