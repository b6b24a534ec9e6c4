// Exact decimals for money, prices and quantities: an integer and how many of its digits are behind the point. No float
// is ever made of an amount; charts, which only draw, use toNumber.

export interface Decimal {
  readonly units: bigint
  readonly scale: number
}

const form = /^([+-]?)(\d+)(?:\.(\d+))?$/

/** Reads "-12.340"; undefined when the text is no decimal. */
export function parse(text: string | null | undefined): Decimal | undefined {
  const found = text == null ? null : form.exec(text.trim())
  if (!found) return undefined
  const [, sign, whole = '', part = ''] = found
  const units = BigInt(whole + part)
  return { units: sign === '-' ? -units : units, scale: part.length }
}

/** Reads a decimal that is known to be one. */
export function decimal(text: string): Decimal {
  const value = parse(text)
  if (!value) throw new Error(`${JSON.stringify(text)} is no decimal`)
  return value
}

function level(a: Decimal, b: Decimal): [bigint, bigint, number] {
  const scale = Math.max(a.scale, b.scale)
  return [a.units * 10n ** BigInt(scale - a.scale), b.units * 10n ** BigInt(scale - b.scale), scale]
}

export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = level(a, b)
  return { units: x + y, scale }
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { units: -b.units, scale: b.scale })
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { units: a.units * b.units, scale: a.scale + b.scale }
}

/** -1, 0 or 1. */
export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const [x, y] = level(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

export function sign(a: Decimal | undefined): -1 | 0 | 1 {
  return a === undefined || a.units === 0n ? 0 : a.units < 0n ? -1 : 1
}

/** The same value with so many places, half away from zero. */
export function round(a: Decimal, scale: number): Decimal {
  if (scale >= a.scale) return { units: a.units * 10n ** BigInt(scale - a.scale), scale }
  const by = 10n ** BigInt(a.scale - scale)
  const half = a.units < 0n ? -by / 2n : by / 2n
  return { units: (a.units + half) / by, scale }
}

/** a / b with so many places, half away from zero; undefined when b is zero. */
export function divide(a: Decimal, b: Decimal, scale: number): Decimal | undefined {
  if (b.units === 0n) return undefined
  const [x, y] = level(a, b)
  const more = x * 10n ** BigInt(scale + 1)
  return round({ units: more / y, scale: scale + 1 }, scale)
}

/** "1234.50", or with grouping "1,234.50". */
export function text(a: Decimal, grouped = false): string {
  const digits = (a.units < 0n ? -a.units : a.units).toString().padStart(a.scale + 1, '0')
  let whole = digits.slice(0, digits.length - a.scale)
  if (grouped) whole = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return (a.units < 0n ? '-' : '') + whole + (a.scale > 0 ? '.' + digits.slice(digits.length - a.scale) : '')
}

/** A sentence in which the numbers that are known to be in it are grouped, as the page shows them elsewhere. */
export function groupedIn(sentence: string, numbers: readonly (string | null | undefined)[]): string {
  let out = sentence
  for (const number of new Set(numbers)) {
    const value = parse(number)
    if (!value || !/\d{4}/.test(number!)) continue
    out = out.replace(new RegExp(`(?<![\\w.,])${number!.replace('.', '\\.')}(?![\\w,]\\d|\\w|\\.\\w)`, 'g'), text(value, true))
  }
  return out
}

/** For drawing only. */
export function toNumber(value: string | Decimal): number {
  return Number(typeof value === 'string' ? value : text(value))
}

/** A large number as people read it: 1.23亿 and 4567万 in Chinese, 123.4M and 45.67K in English. */
export function compact(value: string | Decimal, language: 'zh' | 'en'): string {
  const a = typeof value === 'string' ? parse(value) : value
  if (!a) return '–'
  const steps: [number, string][] = language === 'zh' ? [[12, '万亿'], [8, '亿'], [4, '万']] : [[12, 'T'], [9, 'B'], [6, 'M'], [3, 'K']]
  const size = a.units < 0n ? -a.units : a.units
  for (const [power, unit] of steps) {
    const one = 10n ** BigInt(power + a.scale)
    if (size < one) continue
    const places = size >= one * 100n ? 1 : 2
    return text(round({ units: a.units, scale: a.scale + power }, places)) + unit
  }
  return text(round(a, 0), true)
}
