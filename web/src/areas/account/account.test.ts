import { expect, test } from 'vitest'
import { curve } from './curve'
import { cashOf, whole } from './History'

test('a curve fills its box, and needs two points', () => {
  expect(curve([1], 100, 50)).toBeUndefined()
  expect(curve([10, 20, 15], 100, 50, [10, 10, 15])).toEqual({ line: 'M0 50L50 0L100 25', area: 'M0 50L50 0L100 25L100 50L0 50Z', low: 10, high: 20, put: 'M0 50L50 50L100 25' })
})

test('a flat curve lies in the middle', () => {
  expect(curve([1000, 1000], 100, 50, [1000, 1000])?.line).toBe('M0 25L100 25')
})

test('the cash history has what a trade costs or brings', () => {
  const fill = { id: '1', activity_type: 'FILL' as const, price: '10.01', qty: '300', cn: { amount: '3003.00' } }
  expect(cashOf({ ...fill, side: 'buy' } as never)).toBe('-3003.00')
  expect(cashOf({ ...fill, side: 'sell' } as never)).toBe('3003.00')
  expect(cashOf({ id: '2', activity_type: 'FEE', net_amount: '-5.04' } as never)).toBe('-5.04')
})

test('a file has the pages that were not shown, or none of it', async () => {
  const list = (pages: number[][], fails = false): Parameters<typeof whole<number>>[0] => ({
    data: { pages }, error: fails ? new Error('lost') : null, hasNextPage: pages.length < 3,
    fetchNextPage: async () => list([...pages, [pages.length]], pages.length === 2 && fails),
  })
  expect(await whole(list([[0]]))).toEqual([0, 1, 2])
  await expect(whole({ ...list([[0], [1]], true), error: null })).rejects.toThrow('lost')
})
