import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { logOut, session } from '@/api/session'
import { live } from '@/live/live'
import { certain, forget, release, send, sents } from './sending'

const wish = { symbol: '600519.SH', side: 'buy', type: 'LIMIT', price: '1688.00', quantity: '100' } as const
const answer = (status: number, value: unknown) => new Response(JSON.stringify(value), { status })
const refusal = (status: number, reason: string) => answer(status, { reason, message_zh: '不行', message_en: 'no' })
let asked: string[]
let server: (method: string, url: string) => Response | Promise<Response>

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  sents.set([])
  live.link.set({ state: 'live', since: 0 })
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push(init.method!)
    return server(init.method!, url)
  })
})
afterEach(() => { vi.useRealTimers(); vi.unstubAllGlobals(); vi.restoreAllMocks() })

test('an order that is taken is sent once', async () => {
  server = () => answer(201, { id: '1', status: 'PENDING_NEW' })
  expect(await send(wish)).toMatchObject({ state: 'taken', order: { id: '1' } })
  expect(asked).toEqual(['POST'])
})

test('a refusal is an answer', async () => {
  server = () => refusal(422, 'PRICE_ABOVE_LIMIT')
  expect(await send(wish)).toMatchObject({ state: 'refused', refusal: { reason: 'PRICE_ABOVE_LIMIT' } })
})

test('an order whose answer is lost is asked for by its id, and never sent again', async () => {
  server = (method) => {
    if (method === 'POST') throw new TypeError('network')
    return asked.length < 4 ? refusal(404, 'ORDER_UNKNOWN') : answer(200, { id: '7', status: 'WORKING' })
  }
  const sent = await send(wish)
  expect(sent.state).toBe('asking')
  await vi.advanceTimersByTimeAsync(5000)
  expect(sents.get()[0]).toMatchObject({ state: 'taken', order: { id: '7' } })
  expect(asked).toEqual(['POST', 'GET', 'GET', 'GET'])
})

test.each([
  ['a proxy that answers in the place of the server', () => new Response('<html>', { status: 502 })],
  ['JSON of somebody else', () => answer(504, { error: 'gateway timeout' })],
  ['an answer that breaks off', () => new Response('{"id": "1', { status: 201 })],
  ['a bug of the server', () => refusal(500, 'INTERNAL')],
])('%s leaves the fate open: it is asked for', async (_, lost) => {
  server = (method) => (method === 'POST' ? lost() : answer(200, { id: '7', status: 'WORKING' }))
  expect((await send(wish)).state).toBe('asking')
  await vi.advanceTimersByTimeAsync(1000)
  expect(sents.get()[0]).toMatchObject({ state: 'taken', order: { id: '7' } })
  expect(asked).toEqual(['POST', 'GET'])
})

const somebody = (login: string) => session.set({ state: 'somebody', account: { login } as never })

test("a proxy's 404 does not say that the books lack an order", async () => {
  server = (method) => { if (method === 'POST') throw new TypeError('network'); return new Response('<html>', { status: 404 }) }
  await send(wish)
  await vi.advanceTimersByTimeAsync(2 * certain)
  expect(sents.get()[0]!.state).toBe('asking')
})

test('an order that left is no draft for who comes next', async () => {
  somebody('a')
  let lost: () => void = () => {}
  server = () => new Promise((_, fail) => { lost = () => fail(new TypeError('network')) })
  const sending = send(wish)
  somebody('b')
  lost()
  expect((await sending).state).toBe('asking')
  expect(sents.get()).toEqual([])
})

test('a locked screen does not end the asking', async () => {
  somebody('a')
  server = (method) => { if (method === 'POST') throw new TypeError('network'); return refusal(401, 'NOT_LOGGED_IN') }
  await send(wish)
  session.set({ state: 'locked', login: 'a' })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toEqual(['POST', 'GET'])
  server = () => answer(200, { id: '7' })
  somebody('a')
  await vi.advanceTimersByTimeAsync(5000)
  expect(sents.get()[0]!.state).toBe('taken')
})

test('another account finds nothing of what was written and sent before, and the same one does', async () => {
  somebody('a')
  live.link.set({ state: 'offline', since: 0 })
  await send(wish)
  session.set({ state: 'locked', login: 'a' })
  somebody('a')
  expect(sents.get()).toHaveLength(1)
  session.set({ state: 'nobody', ended: true })
  somebody('b')
  expect(sents.get()).toEqual([])
  await send(wish)
  server = () => new Response(null, { status: 204 })
  await logOut()
  expect(sents.get()).toEqual([])
})

test('when the connection is back, what has no answer is asked for at once', async () => {
  const told: (() => void)[] = []
  vi.spyOn(live, 'comeback').mockImplementation((listener) => { told.push(listener); return () => {} })
  server = (method) => { if (method === 'POST') throw new TypeError('network'); return answer(200, { id: '7' }) }
  await send(wish)
  expect(sents.get()[0]!.state).toBe('asking')
  told[0]!()
  await vi.advanceTimersByTimeAsync(0)
  expect(sents.get()[0]!.state).toBe('taken')
})

test('only after the server cannot have it any more is it missing; then it goes out under the same id', async () => {
  const ids: string[] = []
  server = (method) => { if (method === 'POST') throw new TypeError('network'); return refusal(404, 'ORDER_UNKNOWN') }
  const { id } = await send(wish)
  await vi.advanceTimersByTimeAsync(certain - 2000)
  expect(sents.get()[0]!.state).toBe('asking')
  await expect(release(id)).rejects.toThrow('cannot be sent')
  await vi.advanceTimersByTimeAsync(8000)
  expect(sents.get()[0]!.state).toBe('missing')
  server = () => answer(201, { id: '9' })
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => { ids.push(JSON.parse(String(init.body)).client_order_id); return server('POST', '') })
  await release(id)
  expect(ids).toEqual([id])
  expect(sents.get()[0]!.state).toBe('taken')
})

test('what is written without a network waits for a word', async () => {
  live.link.set({ state: 'offline', since: 0 })
  server = () => answer(201, { id: '1' })
  const draft = await send(wish)
  live.link.set({ state: 'live', since: 1 })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toEqual([])
  expect(sents.get()[0]!.state).toBe('draft')
  await release(draft.id)
  expect(asked).toEqual(['POST'])
  forget(draft.id)
  expect(sents.get()).toEqual([])
})
