import { expect, test } from 'vitest'
import { body, clientOrderId, fieldOf, remarks, sentAt, share, step, takes, typed, type Wish } from './logic'

const wish: Wish = { symbol: '600519.SH', side: 'buy', type: 'LIMIT', price: '1688.00', quantity: '100' }
const market = { last: '1688.00', bid: '1687.99', ask: '1688.01', volume: 100_000, limit_up: '1856.80', limit_down: '1519.20' }
const keys = (w: Partial<Wish>, facts = {}) => remarks({ ...wish, ...w }, market, { tick: '0.01', ...facts }).map((r) => r.key)

test('a share is in whole lots, and all is all', () => {
  expect([1, 2, 3, 4].map((n) => share('1750', n, '100'))).toEqual(['1750', '800', '500', '400'])
  expect(share('201', 2, '1')).toBe('100')
  expect(share('0', 4, '100')).toBe('0')
})

test('a step stays on the tick and within the limits', () => {
  expect(step('10.00', '0.01', 1)).toBe('10.01')
  expect(step('10.00', '0.001', -1)).toBe('9.999')
  expect(step('10.005', '0.01', 1)).toBe('10.00')
  expect(step('10.005', '0.01', -1)).toBe('10.01')
  expect(step('11.00', '0.01', 1, '9.00', '11.00')).toBe('11.00')
  expect(step('0.01', '0.01', -1)).toBe('0.01')
  expect(step('', '0.01', 1)).toBe('')
})

test('a security without rules today has no tick, and breaks nothing', () => {
  expect(keys({}, { tick: '0.00' })).toEqual(keys({}))
  expect(step('10.00', '0.00', 1)).toBe('10.00')
})

test('what is typed becomes a number', () => {
  expect(typed('\uff11\uff12\u3002\uff15', false)).toBe('12.5')
  expect(typed('1.2.3', false)).toBe('1.23')
  expect(typed('1e5-', true)).toBe('15')
})

test('an order outside of the rules is remarked on with the nearest value', () => {
  expect(remarks({ ...wish, price: '1900' }, market, { tick: '0.01' })[0]).toEqual({ key: 'aboveLimit', grave: true, nearest: '1856.80' })
  expect(remarks({ ...wish, price: '1000' }, market, { tick: '0.01' })[0]).toEqual({ key: 'belowLimit', grave: true, nearest: '1519.20' })
  expect(remarks({ ...wish, price: '1688.005' }, market, { tick: '0.01' })[0]).toEqual({ key: 'offTick', grave: true, nearest: '1688.00' })
  expect(remarks({ ...wish, quantity: '150' }, market, { tick: '0.01', most: '500', valid: false, nearest: '100' })[0]).toEqual({ key: 'quantityInvalid', grave: true, nearest: '100' })
  expect(keys({ quantity: '600' }, { most: '500' })).toEqual(['tooMany'])
  expect(keys({})).toEqual([])
})

test('an unusual order is remarked on', () => {
  expect(keys({ price: '1740.00' })).toEqual(['farAbove'])
  expect(keys({ price: '1740.00', side: 'sell' })).toEqual([])
  expect(keys({ price: '1600.00', side: 'sell' })).toEqual(['farBelow'])
  expect(keys({ quantity: '6000' })).toEqual(['thin'])
  expect(keys({}, { amount: '600.00', available: '1000.00' })).toEqual(['largeShare'])
})

test('a nearest value is offered for the field that it is of, and for no other number', () => {
  for (const reason of ['PRICE_NOT_ON_TICK', 'PRICE_ABOVE_LIMIT', 'PRICE_BELOW_LIMIT', 'PRICE_OUTSIDE_CAGE', 'FIXED_PRICE_VOID']) expect(fieldOf(reason)).toBe('price')
  for (const reason of ['QUANTITY_BELOW_MINIMUM', 'QUANTITY_NOT_IN_LOTS', 'ODD_LOT_NOT_WHOLE', 'INSUFFICIENT_SELLABLE', 'INSUFFICIENT_CASH', 'AMOUNT_OVERFLOWS']) expect(fieldOf(reason)).toBe('quantity')
  for (const reason of ['TOO_MANY_OPEN_ORDERS', 'CLIENT_ORDER_ID_TOO_LONG', 'MARKET_ORDER_NO_LIMIT', 'FIXED_PRICE_NOT_NOW', 'AMOUNT_NOT_POSITIVE', 'MARKET_CLOSED']) expect(fieldOf(reason)).toBeUndefined()
})

test('types are for their phases', () => {
  expect(takes('LIMIT', 'LUNCH')).toBe(true)
  expect(takes('BEST5_IOC', 'OPENING_CALL')).toBe(false)
  expect(takes('BEST5_IOC', 'CONTINUOUS')).toBe(true)
  expect(takes('FIXED_PRICE', 'FIXED_PRICE_TRADING')).toBe(true)
})

test('each order has a name of its own, and a price only where it means something', () => {
  const at = Date.parse('2026-11-26T02:00:00.123Z')
  const id = clientOrderId(at)
  expect(id).toMatch(/^web-[0-9a-f]{32}$/)
  expect(clientOrderId(at)).not.toBe(id)
  expect(sentAt(id, at + 40)).toBe(at)
  expect(sentAt(id, at - 1)).toBeUndefined() // of a clock that is wrong
  expect(sentAt(id, at + 25_000)).toBeUndefined()
  expect(sentAt(clientOrderId(0), at)).toBeUndefined() // a draft
  expect(sentAt('mine', at)).toBeUndefined()
  expect(body(wish, 'web-1')).toMatchObject({ price: '1688.00', client_order_id: 'web-1' })
  expect(body({ ...wish, symbol: '000001.SZ', type: 'FOK' }, 'web-1')).not.toHaveProperty('price')
})
