import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { live } from '@/live/live'
import { certain } from '../ticket/sending'
import { cancel, unanswered } from './cancelling'

const answer = (status: number, value: unknown) => new Response(JSON.stringify(value), { status })
const refusal = (status: number, reason: string) => answer(status, { reason, message_zh: '不行', message_en: 'no' })
const order = (status: string) => answer(200, { id: '7', status, updated_at: '1', created_at: '1' })
let asked: string[]
let server: (method: string) => Response

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  unanswered.set(new Map())
  live.link.set({ state: 'live', since: 0 })
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    asked.push(init.method!)
    return server(init.method!)
  })
})
afterEach(() => { vi.useRealTimers(); vi.unstubAllGlobals() })

const lost = (): never => { throw new TypeError('network') }

test('a cancel that is answered is asked for once', async () => {
  server = () => order('CANCEL_PENDING')
  await cancel({ id: '7' })
  expect(asked).toEqual(['DELETE'])
})

test('a refusal is an answer', async () => {
  server = () => refusal(422, 'ORDER_IS_OVER')
  await expect(cancel({ id: '7' })).rejects.toMatchObject({ reason: 'ORDER_IS_OVER' })
  expect(unanswered.get().size).toBe(0)
})

test('without a network nothing is sent, and that is said', async () => {
  live.link.set({ state: 'offline', since: 0 })
  await expect(cancel({ id: '7' })).rejects.toMatchObject({ reason: 'OFFLINE' })
  expect(asked).toEqual([])
})

test('a cancel whose answer is lost is not sent again: the order is asked for until it is over', async () => {
  server = (method) => (method === 'DELETE' ? lost() : order(asked.length < 4 ? 'WORKING' : 'CANCELLED'))
  const done = cancel({ id: '7' })
  await vi.advanceTimersByTimeAsync(0)
  expect(unanswered.get().has('7')).toBe(true)
  await vi.advanceTimersByTimeAsync(5000)
  await done
  expect(asked).toEqual(['DELETE', 'GET', 'GET', 'GET'])
  expect(unanswered.get().size).toBe(0)
})

test('an order that still stands when no cancel can be on its way is told as such', async () => {
  server = (method) => (method === 'DELETE' ? lost() : order('WORKING'))
  const done = cancel({ id: '7' }).then(() => 'taken', (error: { reason: string }) => error.reason)
  await vi.advanceTimersByTimeAsync(certain - 1000)
  expect(unanswered.get().has('7')).toBe(true)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await done).toBe('CANCEL_LOST')
  expect(unanswered.get().size).toBe(0)
})

test('who asks again by his own word is answered, and the first one is at rest', async () => {
  let deletes = 0
  server = (method) => (method === 'DELETE' ? (++deletes === 1 ? lost() : order('CANCEL_PENDING')) : order('WORKING'))
  const first = cancel({ id: '7' })
  await vi.advanceTimersByTimeAsync(100)
  await cancel({ id: '7' })
  await vi.advanceTimersByTimeAsync(1000)
  await first
  expect(asked.filter((method) => method === 'DELETE')).toHaveLength(2)
})
