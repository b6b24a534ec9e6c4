import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { call, type Schemas } from '@/api/client'
import { priced, type Wish } from './logic'

/** A value that has stood still for a moment. */
export function useSettled<T>(value: T, wait: number): T {
  const [settled, set] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => set(value), wait)
    return () => clearTimeout(timer)
  }, [value, wait])
  return settled
}

export const useSecurity = (symbol: string) => useQuery({
  queryKey: ['security', symbol], enabled: symbol !== '', staleTime: 60_000,
  queryFn: ({ signal }) => call('get', '/api/v1/securities/{symbol}', { path: { symbol }, signal }),
})

/** What the order would cost and bind, to the cent, and how much could be bought or sold: from the books. */
export function usePreview(wish: Wish) {
  const asked = useSettled(JSON.stringify({ symbol: wish.symbol, side: wish.side, type: wish.type, ...(wish.price && priced(wish.type) ? { price: wish.price } : {}), ...(Number(wish.quantity) > 0 ? { quantity: wish.quantity } : {}) }), 120)
  const settled = JSON.parse(asked) as Partial<Wish> & Pick<Wish, 'type'>
  const ready = settled.symbol !== '' && (!priced(settled.type) || Number(settled.price) > 0)
  return useQuery<Schemas['Preview']>({
    queryKey: ['preview', asked], enabled: ready, staleTime: 2_000, refetchInterval: 10_000, retry: false,
    placeholderData: (before) => (before?.symbol === wish.symbol && before.side === wish.side ? before : undefined),
    queryFn: ({ signal }) => call('post', '/api/v1/preview', { body: JSON.parse(asked), signal }),
  })
}
