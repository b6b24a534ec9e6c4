import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import { useStore } from '@/lib/store'
import { live, type Depth, type Link, type Quote, type Status, type Tick, type Topic } from './live'

function useRow<T>(topic: Topic, symbol: string, read: (symbol: string) => T | undefined, asks: boolean): T | undefined {
  useEffect(() => (asks && symbol ? live.want(topic, [symbol]) : undefined), [topic, symbol, asks])
  const follow = useCallback((listener: () => void) => live.follow(topic, symbol, listener), [topic, symbol])
  return useSyncExternalStore(follow, () => read(symbol))
}

/** The live quote of one security. asks=false follows without asking, for rows whose list is asked for at once. */
export const useQuote = (symbol: string, asks = true): Quote | undefined => useRow('quotes', symbol, live.quote, asks)

/** The live quote of one security for a cell that shows a part of it: drawn again only when that part, a text, changes, or grows old or young. */
export function useQuotePart(symbol: string, part: (quote: Quote) => string): Quote | undefined {
  const follow = useCallback((listener: () => void) => live.follow('quotes', symbol, listener), [symbol])
  useSyncExternalStore(follow, () => { const quote = live.quote(symbol); return quote && `${part(quote)} ${live.age('quotes', symbol) > 0}` })
  return live.quote(symbol)
}

/** Up to ten levels of the order book. */
export const useDepth = (symbol: string): Depth | undefined => useRow('depth', symbol, live.depth, true)

/** The newest trades, oldest first. */
export const useTicks = (symbol: string): readonly Tick[] | undefined => useRow('ticks', symbol, live.ticks, true)

/** Asks for the quotes of a list while it is shown. */
export function useQuotesOf(symbols: readonly string[]): void {
  const id = symbols.join(',')
  useEffect(() => (id ? live.want('quotes', id.split(',')) : undefined), [id])
}

/** How old a quote is: 0 while it holds, otherwise milliseconds, told once a second. */
export function useAge(symbol: string, topic: Topic = 'quotes'): number {
  useStore(live.staleness)
  return live.age(topic, symbol)
}

export const useLink = (): Link => useStore(live.link)

export const useStatus = (): Status | undefined => useStore(live.status)

/** Whether the house halted a security, as its last word says. */
export const useHalted = (symbol: string): boolean => useStore(live.status, (s) => s?.halts.includes(symbol) ?? false)

/** A clock that ticks, in milliseconds of this machine; paused when off. */
export function useTick(every = 1000, on = true): number {
  const [now, set] = useState(() => Date.now())
  useEffect(() => {
    if (!on) return
    set(Date.now())
    const timer = setInterval(() => set(Date.now()), every)
    return () => clearInterval(timer)
  }, [every, on])
  return now
}
