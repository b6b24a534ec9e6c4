import { describe, expect, test } from 'vitest'
import { macd, mean } from './indicators'

describe('indicators', () => {
  test('a mean begins when it has its values, and forgets the oldest', () => {
    expect(mean([1, 2, 3, 4, 8], 3)).toEqual([undefined, undefined, 2, 3, 5])
    expect(mean([], 3)).toEqual([])
  })
  test('MACD of a price that stands still is nothing', () => {
    expect(macd([5, 5, 5, 5])).toEqual({ dif: [0, 0, 0, 0], dea: [0, 0, 0, 0], bar: [0, 0, 0, 0] })
  })
  test('MACD of a rise is above nothing, and worked by hand for its first step', () => {
    const { dif, dea, bar } = macd([10, 11])
    expect(dif[1]).toBeCloseTo(2 / 13 - 2 / 27, 12)
    expect(dea[1]).toBeCloseTo((2 / 13 - 2 / 27) / 5, 12)
    expect(bar[1]).toBeCloseTo(2 * (dif[1]! - dea[1]!), 12)
  })
})
