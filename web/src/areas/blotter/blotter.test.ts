import { afterEach, expect, test, vi } from 'vitest'
import { csv, field } from './csv'
import { activityPage, fillsOf, worth, type Order } from './data'
import { isNews, withOrder } from './follow'
import { steps } from './timeline'

test('no field of a CSV is a formula, and numbers stay numbers', () => {
  expect(['=1+1', '+1', '-12.50', '@x', '-2+3', '\t=1', 'a"b', 'a,b', null].map(field))
    .toEqual(["'=1+1", '+1', '-12.50', "'@x", "'-2+3", "'\t=1", '"a""b"', '"a,b"', ''])
  expect(csv(['a'], [['平安']])).toBe('\ufeffa\r\n平安\r\n')
})

test('a position is worth its last price, else its previous close, else nothing is said', () => {
  const p = { symbol: '600000.SH', name: '', total: '300', sellable: '300', frozen: '0', bought_today: '0', cost: '3000.00' }
  expect(worth(p, { last: '11.00', previous_close: '10.00' })).toEqual({ average: '10.000', value: '3300.00', profit: '300.00', ratio: '0.1000' })
  expect(worth(p, { last: '0.00', previous_close: '9.00' })).toMatchObject({ profit: '-300.00' })
  expect(worth(p, undefined)).toEqual({ average: '10.000' })
})

const order = (over: object) => ({ id: '1', created_at: '2026-11-26T02:00:00Z', updated_at: '2026-11-26T02:00:00Z', status: 'WORKING', cn: {}, ...over }) as unknown as Order

test('an older word of an order changes nothing, and what is done leaves the open ones', () => {
  const list = [order({ id: '3', created_at: '2026-11-26T02:03:00Z' }), order({ updated_at: '2026-11-26T02:02:00Z' })]
  expect(withOrder(list, order({ status: 'PENDING_NEW' }))).toBe(list)
  expect(withOrder(list, order({ id: '2', created_at: '2026-11-26T02:01:00Z' })).map((o) => o.id)).toEqual(['3', '2', '1'])
  expect(withOrder(list, order({ updated_at: '2026-11-26T02:03:00Z', status: 'FILLED' }), 'open').map((o) => o.id)).toEqual(['3'])
})

test('the answer to an order that comes after its fill opens it no more', () => {
  expect(isNews({ id: '7', updated_at: '2026-11-26T02:00:02Z' })).toBe(true)
  expect(isNews({ id: '7', updated_at: '2026-11-26T02:00:01Z' })).toBe(false)
  expect(isNews({ id: '7', updated_at: '2026-11-26T02:00:02Z' })).toBe(true)
})

test('the timeline tells each step with its time, and what is still open', () => {
  const told = steps(order({ status: 'CANCEL_PENDING', cn: { accepted_at: '2026-11-26T02:00:01Z' } }),
    [{ id: 'b', activity_type: 'FILL', order_id: '1', transaction_time: '2026-11-26T02:00:03Z', qty: '1' }, { id: 'a', activity_type: 'FILL', order_id: '1', transaction_time: '2026-11-26T02:00:02Z', qty: '2' }], 0)
  expect(told.map((s) => `${s.key}${s.quantity ?? ''}${s.open ? '…' : ''}`)).toEqual(['sent', 'accepted', 'atExchange', 'fill2', 'fill1', 'cancelling…'])
})

afterEach(() => vi.unstubAllGlobals())

test('an order has all its fills, page by page', async () => {
  const all = Array.from({ length: 2 * activityPage + 5 }, (_, i) => ({ id: String(i), activity_type: 'FILL', order_id: '1', qty: '100' }))
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    const query = new URL(url, location.href).searchParams
    asked.push(`${query.get('order_id')} ${query.get('page_token')}`)
    const at = Number(query.get('page_token') ?? -1) + 1
    return new Response(JSON.stringify(all.slice(at, at + activityPage)))
  })
  expect(await fillsOf(order({}))).toEqual(all)
  expect(asked).toEqual(['1 null', '1 99', '1 199'])
})
