import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Live, staleAfter, type Quote } from './live'

class Wire {
  readyState = 1
  sent: { op: string; [name: string]: unknown }[] = []
  onopen?: () => void
  onmessage?: (message: { data: string }) => void
  onclose: (() => void) | null = null
  send = (text: string) => void this.sent.push(JSON.parse(text) as Wire['sent'][number])
  close = () => this.onclose?.()
  say = (message: object) => this.onmessage?.({ data: JSON.stringify(message) })
}

let now = 0
let wires: Wire[] = []
let live: Live
const wire = () => wires[wires.length - 1]!
const status = (data: 'up' | 'down') => ({ t: 'status', d: { time: new Date().toISOString(), exchange: { data }, phases: [] } })
const quote = (symbol: string, last: string) => ({ symbol, last }) as Quote
const pass = (milliseconds: number) => { now += milliseconds; vi.advanceTimersByTime(milliseconds) }

beforeEach(() => {
  vi.useFakeTimers()
  now = 0
  wires = []
  live = new Live(() => { const made = new Wire(); wires.push(made); return made as unknown as WebSocket }, () => now)
})
afterEach(() => { live.stop(); vi.useRealTimers() })
const begin = () => { live.start(); wire().onopen?.(); wire().say(status('up')) }

describe('the live store', () => {
  test('asks for what is wanted, once, and drops it when nobody has looked for a while', async () => {
    begin()
    const over = live.want('quotes', ['A', 'B'])
    const other = live.want('quotes', ['A'])
    await Promise.resolve()
    expect(wire().sent.filter((m) => m.op === 'subscribe')).toEqual([{ op: 'subscribe', quotes: ['A', 'B'] }])
    over()
    pass(3_000)
    await Promise.resolve()
    expect(wire().sent.filter((m) => m.op === 'unsubscribe')).toEqual([{ op: 'unsubscribe', quotes: ['B'] }])
    other()
  })
  test('tells a row once before the next frame, and no other row', () => {
    begin()
    const told = vi.fn()
    const else_ = vi.fn()
    live.follow('quotes', 'A', told)
    live.follow('quotes', 'B', else_)
    for (const last of ['1.00', '1.01', '1.02']) wire().say({ t: 'quotes', d: [quote('A', last)] })
    expect(told).not.toHaveBeenCalled()
    pass(50)
    expect(told).toHaveBeenCalledTimes(1)
    expect(else_).not.toHaveBeenCalled()
    expect(live.quote('A')?.last).toBe('1.02')
  })
  test('a quote holds while the server hears the exchange, and is old when it does not', () => {
    begin()
    wire().say({ t: 'quotes', d: [quote('A', '1.00')] })
    for (let i = 0; i < 10; i++) { pass(2_000); wire().say(status('up')) }
    expect(live.age('quotes', 'A')).toBe(0)
    for (let i = 0; i < 3; i++) { pass(2_000); wire().say(status('down')) }
    expect(live.age('quotes', 'A')).toBeGreaterThanOrEqual(staleAfter)
    expect(live.age('quotes', 'never')).toBe(Infinity)
  })
  test('what is left from a lost connection is not vouched for by the next', () => {
    begin()
    wire().say({ t: 'quotes', d: [quote('A', '1.00')] })
    const back = vi.fn()
    live.comeback(back)
    wire().close()
    expect(live.link.get().state).toBe('reconnecting')
    pass(6_000)
    expect(wires).toHaveLength(2)
    wire().onopen?.()
    wire().say(status('up'))
    expect(live.link.get().state).toBe('live')
    expect(back).toHaveBeenCalledTimes(1)
    expect(live.age('quotes', 'A')).toBeGreaterThanOrEqual(staleAfter)
    wire().say({ t: 'quotes', d: [quote('A', '1.01')] })
    expect(live.age('quotes', 'A')).toBe(0)
  })
  test('each event is heard once, and those behind the last are asked for after a reconnect', () => {
    begin()
    const heard: number[] = []
    live.hear((event) => heard.push(Number(event.number)))
    wire().say({ t: 'events', after: '7' })
    for (const number of [8, 9, 9, 8, 10]) wire().say({ t: 'event', d: { number } })
    expect(heard).toEqual([8, 9, 10])
    wire().close()
    pass(6_000)
    wire().onopen?.()
    expect(wire().sent.at(-1)).toEqual({ op: 'events', after: '10' })
    live.stop() // the screen is locked, and opened again
    begin()
    expect(wire().sent.at(-1)).toEqual({ op: 'events', after: '10' })
    live.stop()
    live.forget() // by somebody else
    begin()
    expect(wire().sent.at(-1)).toEqual({ op: 'events' })
  })
  test('a connection that is silent is dropped and made anew', () => {
    begin()
    pass(8_000)
    pass(4_000)
    expect(wires.length).toBeGreaterThan(1)
  })
})
