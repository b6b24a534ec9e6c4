import type { Language } from './preferences'

// The market's clock is Shanghai's, wherever the reader is.
const zone = 'Asia/Shanghai'
const made = new Map<string, Intl.DateTimeFormat>()

function format(language: Language, options: Intl.DateTimeFormatOptions, name: string): Intl.DateTimeFormat {
  const id = language + name
  let f = made.get(id)
  if (!f) {
    f = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { timeZone: zone, hourCycle: 'h23', ...options })
    made.set(id, f)
  }
  return f
}

type Moment = string | number | Date

const date = (t: Moment) => (t instanceof Date ? t : new Date(t))

/** 14:03:27 */
export function clock(t: Moment): string {
  return format('en', { hour: '2-digit', minute: '2-digit', second: '2-digit' }, 'clock').format(date(t))
}

/** 14:03:27.104 */
export function clockMs(t: Moment): string {
  return format('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }, 'ms').format(date(t))
}

/** 14:03 */
export function minute(t: Moment): string {
  return format('en', { hour: '2-digit', minute: '2-digit' }, 'minute').format(date(t))
}

/** 2026-11-25 */
export function day(t: Moment): string {
  return format('en', { year: 'numeric', month: '2-digit', day: '2-digit' }, 'day').format(date(t)).split('/').reverse().join('-')
}

/** 2026-11-25 14:03:27 */
export function full(t: Moment): string {
  return `${day(t)} ${clock(t)}`
}

/** 3 s, 4 min 10 s, 2 h 5 min */
export function span(milliseconds: number, language: Language): string {
  const s = Math.max(0, Math.round(milliseconds / 1000))
  const [h, m, r] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60]
  if (language === 'zh') return h ? `${h}小时${m}分` : m ? `${m}分${r}秒` : `${r}秒`
  return h ? `${h} h ${m} min` : m ? `${m} min ${r} s` : `${r} s`
}

/** 04:10 or 2:04:10, for countdowns. */
export function countdown(milliseconds: number): string {
  const s = Math.max(0, Math.ceil(milliseconds / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  const [h, m, r] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60]
  return h ? `${h}:${two(m)}:${two(r)}` : `${two(m)}:${two(r)}`
}
