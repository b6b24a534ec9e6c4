import { describe, expect, it } from 'vitest'
import { behind, between, lags, quantile, rate, standings, type Ops } from './measure'

const look = (time: string, applied: number[], requests: number[], orders: number[], up = 1000): Ops => ({
  time, node: 1, demo: true, halts: [], acts: [], house: { read_only: false, reason: '', who: '', since: null }, limits: { latency_bounds: [0.001, 0.01] },
  nodes: applied.map((n, i) => ({
    node: i + 1, trouble: '', version: 'x', draining: false, up_ms: up, waits: [],
    load: { classes: [{ class: 'order', in_flight: 1, waiting: 2 }], requests: requests[i] ?? 0, refused: 0, streams: 0, room: { waiting: 0, first: 0, called: 0, expected_s: 0, oldest_s: 0, turned_away: 0 },
      lag: { readers: 0, p50_ms: 0, p99_ms: 0, max_ms: 0, cut_off: 0, warned: 0, most: [] }, order_latency: orders, read_latency: [0, 0, 0] },
    shards: [{ shard: 0, leader: 1, leads: i === 0, term: 1, applied: n, committed: n, queued: 0, in_flight: 0, syncs: 0, slow_syncs: 0, snapshot: 0, link: '', outbox: 3, oldest_ms: 0, reports: 0, reconnects: 0, differ: '', voters: 3, voters_well: 3 }],
  })),
})

describe('measure', () => {
  it('tells rates, and none when a count began anew', () => {
    expect(rate(10, 30, 2)).toBe(10)
    expect(rate(30, 10, 2)).toBe(0)
    expect(rate(10, 30, 0)).toBe(0)
  })
  it('tells quantiles by the upper bound of the bucket', () => {
    expect(quantile([0.001, 0.01], [5, 5, 5], [5, 5, 5], 0.99)).toBeNull()
    expect(quantile([0.001, 0.01], [0, 0, 0], [98, 100, 100], 0.5)).toBe(1)
    expect(quantile([0.001, 0.01], [0, 0, 0], [98, 100, 100], 0.99)).toBe(10)
    expect(quantile([0.001, 0.01], [0, 0, 0], [0, 0, 7], 0.5)).toBe(Infinity)
    expect(quantile([0.001, 0.01], [9, 9, 9], [1, 1, 1], 0.5)).toBeNull()
  })
  it('sums nodes, and leaves out one that started anew', () => {
    const before = look('2026-11-26T01:00:00Z', [100, 90], [10, 20], [0, 0, 0])
    const after = look('2026-11-26T01:00:02Z', [120, 110], [30, 60], [4, 8, 8], 3000)
    expect(between(before, after)).toMatchObject({ requests: 30, entries: 10, waiting: 4, inFlight: 2, outbox: 3, p50: 1, p99: 10 })
    const anew = look('2026-11-26T01:00:02Z', [120, 5], [30, 1], [0, 0, 0], 3000)
    anew.nodes[1]!.up_ms = 10
    expect(between(before, anew).requests).toBe(10)
    expect(lags(anew)).toBe(115)
    expect(behind(anew, anew.nodes[0]!.shards[0]!)).toBe(0)
  })
  it('sums what nodes carry, and tells the worst use and headroom', () => {
    const { nodes } = look('2026-11-26T01:00:00Z', [1, 1], [1, 1], [0, 0, 0])
    const peak = (second: number) => ({ second, at: '2026-11-26T01:00:00Z', minute: second, total: 1 })
    const stands = (now: number, record: number, knee?: number) => ({ class: 'order', now, today: peak(now), record: peak(record), since: '2026-11-26', alert: knee !== undefined && now / knee >= 0.7,
      ...(knee === undefined ? {} : { knee, use: now / knee, headroom: knee / record }) })
    nodes[0]!.load!.capacity = { lawful_headroom: 3, traffic: [], classes: [stands(80, 20, 100)] }
    nodes[1]!.load!.capacity = { lawful_headroom: 3, traffic: [], classes: [stands(10, 50, 100), { ...stands(1, 1), class: 'cancel' }] }
    expect(standings(nodes)).toEqual([
      { name: 'cancel', now: 1, today: 1, record: 1, knee: null, use: null, headroom: null, alert: false },
      { name: 'order', now: 90, today: 90, record: 70, knee: 200, use: 0.8, headroom: 2, alert: true },
    ])
    nodes[1]!.load!.capacity.classes = [stands(10, 50)]
    expect(standings(nodes)).toMatchObject([{ knee: null, use: 0.8, headroom: 5, alert: true }])
  })
})
