import { afterEach, expect, test } from 'vitest'
import { keepLine, keptLine, leftOf, lineOf, progressOf, type Place } from './line'

const place = (more: Partial<Place> = {}): Place => ({
  ticket: 'T', lane: 'general', ahead: 100, waiting: 200, expected_seconds: 50, return_seconds: 25, called: false, renewed: false,
  since: '2026-07-08T01:15:00Z', until: '2999-01-01T00:00:00Z', ...more,
})

afterEach(() => sessionStorage.clear())

test('a place outlives a reload, until it is over, and without a password', () => {
  keepLine(lineOf('ann', place()))
  expect(keptLine()?.login).toBe('ann')
  expect(sessionStorage.getItem('evenkeel.line')).not.toMatch(/password/i)
  keepLine(lineOf('ann', place({ until: '2026-07-08T01:20:00Z' })))
  expect(keptLine(Date.parse('2026-07-08T01:20:01Z'))).toBeUndefined()
  keepLine(undefined)
  expect(keptLine()).toBeUndefined()
  sessionStorage.setItem('evenkeel.line', '{"login":3}')
  expect(keptLine()).toBeUndefined()
})

test('progress never goes back while those before grow fewer, and begins anew with a new place', () => {
  const first = lineOf('ann', place())
  expect(progressOf(first, first.told)).toBe(0)
  expect(progressOf(first, first.told + 25_000)).toBeCloseTo(0.5)
  expect(leftOf(first, first.told + 20_000)).toBe(30_000)
  const next = lineOf('ann', place({ ahead: 40, expected_seconds: 20 }), first)
  expect(progressOf(next, next.told)).toBeCloseTo(0.6)
  expect(progressOf(lineOf('ann', place({ called: true, ahead: 0 }), first), 0)).toBe(1)
  expect(lineOf('ann', place({ ahead: 300, renewed: true }), first).first).toBe(300)
  expect(lineOf('bob', place({ ahead: 7 }), first).first).toBe(7)
})
