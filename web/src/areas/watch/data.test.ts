import { describe, expect, it } from 'vitest'
import { expected, moved, replaced, type Group } from './data'

const group = (id: string, ...symbols: string[]): Group => ({ id, name: id, symbols })

describe('groups', () => {
  it('move an entry up and down', () => {
    expect(moved(['a', 'b', 'c', 'd'], 3, 0)).toEqual(['d', 'a', 'b', 'c'])
    expect(moved(['a', 'b', 'c', 'd'], 0, 2)).toEqual(['b', 'c', 'a', 'd'])
    expect(moved(['a', 'b'], 1, 1)).toEqual(['a', 'b'])
  })
  it('keep their places when one changes, and a new one comes last', () => {
    expect(replaced([group('a'), group('b')], group('a', 'x')).map((g) => g.id)).toEqual(['a', 'b'])
    expect(replaced([group('a')], group('b')).map((g) => g.id)).toEqual(['a', 'b'])
  })
  it('are shown as the server will have them', () => {
    const had = [group('a', 'x', 'y'), group('b')]
    expect(expected(had, { do: 'add', group: had[0]!, symbol: 'z' })![0]!.symbols).toEqual(['x', 'y', 'z'])
    expect(expected(had, { do: 'remove', group: had[0]!, symbol: 'x' })![0]!.symbols).toEqual(['y'])
    expect(expected(had, { do: 'order', group: had[0]!, symbols: ['y', 'x'] })![0]!.symbols).toEqual(['y', 'x'])
    expect(expected(had, { do: 'rename', group: had[1]!, name: 'c' })![1]!.name).toBe('c')
    expect(expected(had, { do: 'delete', group: had[0]! })).toEqual([had[1]])
    expect(expected(had, { do: 'make', name: 'c' })).toBeUndefined()
  })
})
