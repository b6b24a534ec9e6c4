import { describe, expect, it } from 'vitest'
import type { Schemas } from '@/api/client'
import { sorted } from './sort'

const row = (symbol: string, name: string) => ({ symbol, name }) as Schemas['Security']
const rows = [row('000002.SZ', '万科'), row('600000.SH', '浦发'), row('300001.SZ', '特锐德'), row('000001.SZ', '平安')]
const symbols = (list: readonly Schemas['Security'][]) => list.map((s) => s.symbol.slice(0, 6))

describe('sorted', () => {
  it('leaves the rows as they are without a column, and until the order is there', () => {
    expect(sorted(rows, undefined, undefined)).toBe(rows)
    expect(sorted(rows, { key: 'ratio', down: true }, undefined)).toBe(rows)
  })
  it('follows the order of the server, either way, and puts what it lacks last', () => {
    const order = ['600000.SH', '000001.SZ', '000002.SZ']
    expect(symbols(sorted(rows, { key: 'ratio', down: true }, order))).toEqual(['600000', '000001', '000002', '300001'])
    expect(symbols(sorted(rows, { key: 'ratio', down: false }, order))).toEqual(['000002', '000001', '600000', '300001'])
  })
  it('sorts by code', () => {
    expect(symbols(sorted(rows, { key: 'code', down: false }, undefined))).toEqual(['000001', '000002', '300001', '600000'])
    expect(symbols(sorted(rows, { key: 'code', down: true }, undefined))).toEqual(['600000', '300001', '000002', '000001'])
  })
})
