import { QueryClient } from '@tanstack/react-query'
import { Refusal } from './client'

/** REST through one cache. Questions are tried again, commands never: an order's outcome is asked for by its id. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (times, error) => times < 3 && !(error instanceof Refusal && error.status >= 400 && error.status < 500 && error.status !== 429),
      retryDelay: (times, error) =>
        error instanceof Refusal && error.after ? error.after * 1000 : Math.min(5_000, 300 * 2 ** times) * (0.5 + Math.random() / 2),
      refetchOnWindowFocus: true,
      refetchOnReconnect: true,
    },
    mutations: { retry: false, networkMode: 'always' },
  },
})
