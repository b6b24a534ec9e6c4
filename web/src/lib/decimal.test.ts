import { describe, expect, it } from 'vitest'
import { add, compact, compare, decimal, divide, groupedIn, multiply, parse, round, subtract, text } from './decimal'

describe('decimal', () => {
  it('keeps what a float would lose', () => {
    expect(text(add(decimal('0.1'), decimal('0.20')))).toBe('0.30')
    expect(text(multiply(decimal('9007199254740993'), decimal('1.01')))).toBe('9097271247288402.93')
    expect(text(subtract(decimal('1.00'), decimal('1.01')))).toBe('-0.01')
  })
  it('groups in a sentence the numbers that are known to be in it, and nothing else', () => {
    const said = 'too many (given 1000100, bound 1000000, nearest valid 1000000)'
    expect(groupedIn(said, ['1000100', '1000000', '1000000'])).toBe('too many (given 1,000,100, bound 1,000,000, nearest valid 1,000,000)')
    expect(groupedIn('600000.SH: 600000 of 1600000,界限 600000.00', ['600000', undefined, ''])).toBe('600000.SH: 600,000 of 1600000,界限 600000.00')
    expect(groupedIn('给出 5000000.00,界限 12.5', ['5000000.00', '12.5'])).toBe('给出 5,000,000.00,界限 12.5')
    expect(groupedIn('要 1000，有 999。1000', ['1000', '999'])).toBe('要 1,000，有 999。1,000')
  })
  it('rounds half away from zero', () => {
    expect(['0.005', '-0.005', '0.0049', '1.995'].map((v) => text(round(decimal(v), 2)))).toEqual(['0.01', '-0.01', '0.00', '2.00'])
    expect(text(divide(decimal('1'), decimal('3'), 4)!)).toBe('0.3333')
    expect(text(divide(decimal('-2'), decimal('3'), 2)!)).toBe('-0.67')
    expect(divide(decimal('1'), decimal('0.00'), 2)).toBeUndefined()
  })
  it('groups and shortens', () => {
    expect(text(decimal('1234567.5'), true)).toBe('1,234,567.5')
    expect(compact('123456789.12', 'zh')).toBe('1.23亿')
    expect(compact('-45670', 'zh')).toBe('-4.57万')
    expect(compact('999', 'en')).toBe('999')
    expect(compact('45670', 'en')).toBe('45.67K')
  })
  it('compares across scales and refuses what is no decimal', () => {
    expect(compare(decimal('1.10'), decimal('1.1'))).toBe(0)
    expect([parse(''), parse('1.'), parse('1e3'), parse(null), parse('0x1')]).toEqual([undefined, undefined, undefined, undefined, undefined])
  })
})
