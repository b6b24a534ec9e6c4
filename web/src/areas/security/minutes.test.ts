import { expect, test } from 'vitest'
import { clockOf } from './Minutes'

const spans = [{ from: '2026-11-26T01:30:00Z', until: '2026-11-26T03:30:00Z', minutes: 120 }, { from: '2026-11-26T05:00:00Z', until: '2026-11-26T07:00:00Z', minutes: 120 }]

test.each([[0, '09:30'], [60, '10:30'], [119, '11:29'], [120, '11:30/13:00'], [121, '13:01'], [239, '14:59'], [240, '15:00']])('trading minute %i begins at %s', (index, clock) => {
  expect(clockOf({ spans }, index)).toBe(clock)
})
