import type { Schemas } from '@/api/client'

export type Ops = Schemas['Ops']
export type OpsNode = Schemas['OpsNode']

/** What the charts draw, one point for each look at the house. Rates are per second, times in milliseconds. */
export interface Point {
  at: number
  requests: number
  refused: number
  entries: number
  reports: number
  waiting: number
  inFlight: number
  queued: number
  lag: number
  outbox: number
  streams: number
  p50: number | null
  p99: number | null
  reads99: number | null
}

/** Counts only grow until a process starts anew: then there is no rate to tell. */
export function rate(before: number, after: number, seconds: number): number {
  return after < before || seconds <= 0 ? 0 : (after - before) / seconds
}

/**
 * The latency below which a share of the requests between two looks were answered, in milliseconds: the upper bound of
 * their bucket, so never told too small. null when there were none; Infinity beyond the last bound.
 */
export function quantile(bounds: readonly number[], before: readonly number[], after: readonly number[], share: number): number | null {
  const counts = after.map((n, i) => n - (before[i] ?? 0))
  const all = counts[bounds.length] ?? 0
  if (all <= 0 || counts.some((n) => n < 0)) return null
  const at = counts.findIndex((n) => n >= all * share)
  return at < 0 || at >= bounds.length ? Infinity : (bounds[at] ?? 0) * 1000
}

const add = (nodes: readonly OpsNode[], of: (node: OpsNode) => number) => nodes.reduce((sum, node) => sum + of(node), 0)
const shards = (node: OpsNode, of: (shard: OpsNode['shards'][number]) => number) => node.shards.reduce((sum, s) => sum + of(s), 0)
const leading = (node: OpsNode, of: (shard: OpsNode['shards'][number]) => number) => shards(node, (s) => (s.leads ? of(s) : 0))

function buckets(nodes: readonly OpsNode[], of: (load: Schemas['OpsLoad']) => number[], length: number): number[] {
  return Array.from({ length }, (_, i) => add(nodes, (n) => (n.load ? (of(n.load)[i] ?? 0) : 0)))
}

/** The house between an earlier look and a later one. Only nodes that answered both times are counted in rates. */
export function between(before: Ops, after: Ops): Point {
  const seconds = (Date.parse(after.time) - Date.parse(before.time)) / 1000
  const then = before.nodes.filter((n) => n.load && after.nodes.some((m) => m.node === n.node && m.load && m.up_ms >= n.up_ms))
  const now = after.nodes.filter((n) => then.some((m) => m.node === n.node))
  const r = (of: (node: OpsNode) => number) => rate(add(then, of), add(now, of), seconds)
  const bounds = after.limits.latency_bounds
  const q = (of: (load: Schemas['OpsLoad']) => number[], share: number) =>
    quantile(bounds, buckets(then, of, bounds.length + 1), buckets(now, of, bounds.length + 1), share)
  // entries: as far as the most advanced node of each shard is, so that a change of leader is no jump
  const applied = (nodes: readonly OpsNode[]) => {
    const far = new Map<number, number>()
    for (const node of nodes) for (const s of node.shards) far.set(s.shard, Math.max(far.get(s.shard) ?? 0, s.applied))
    return [...far.values()].reduce((sum, n) => sum + n, 0)
  }
  return {
    at: Date.parse(after.time),
    requests: r((n) => n.load?.requests ?? 0),
    refused: r((n) => n.load?.refused ?? 0),
    entries: rate(applied(then), applied(now), seconds),
    reports: r((n) => shards(n, (s) => s.reports)),
    waiting: add(after.nodes, (n) => n.load?.classes.reduce((sum, c) => sum + c.waiting, 0) ?? 0),
    inFlight: add(after.nodes, (n) => n.load?.classes.reduce((sum, c) => sum + c.in_flight, 0) ?? 0),
    queued: add(after.nodes, (n) => shards(n, (s) => s.queued)),
    lag: lags(after),
    outbox: add(after.nodes, (n) => leading(n, (s) => s.outbox)),
    streams: add(after.nodes, (n) => n.load?.streams ?? 0),
    p50: q((l) => l.order_latency, 0.5),
    p99: q((l) => l.order_latency, 0.99),
    reads99: q((l) => l.read_latency, 0.99),
  }
}

/** How a class of requests stands over all nodes: rates are summed, and of use and headroom the worst is told. */
export interface Standing { name: string; now: number; today: number; record: number; knee: number | null; use: number | null; headroom: number | null; alert: boolean }

/** Classes from the one that is served first. Peaks of nodes are summed as if they had come at once; without every node's knee there is none. */
export function standings(nodes: readonly OpsNode[]): Standing[] {
  const all = nodes.flatMap((n) => n.load?.capacity?.classes ?? [])
  return kinds.filter((name) => all.some((s) => s.class === name)).map((name) => {
    const of = all.filter((s) => s.class === name)
    const known = (values: (number | undefined)[]) => values.filter((v) => v !== undefined)
    const uses = known(of.map((s) => s.use))
    const rooms = known(of.map((s) => s.headroom))
    return {
      name, now: of.reduce((n, s) => n + s.now, 0), today: of.reduce((n, s) => n + s.today.second, 0), record: of.reduce((n, s) => n + s.record.second, 0),
      knee: of.every((s) => s.knee !== undefined) ? of.reduce((n, s) => n + (s.knee ?? 0), 0) : null,
      use: uses.length > 0 ? Math.max(...uses) : null, headroom: rooms.length > 0 ? Math.min(...rooms) : null, alert: of.some((s) => s.alert),
    }
  })
}

const kinds = ['inside', 'cancel', 'order', 'query', 'quote', 'manage', 'report', 'heavy']

/** How many entries the node that is furthest behind lacks of what any node knows to be agreed. */
export function lags(ops: Ops): number {
  let worst = 0
  for (const node of ops.nodes) for (const s of node.shards) worst = Math.max(worst, behind(ops, s))
  return worst
}

export function behind(ops: Ops, shard: OpsNode['shards'][number]): number {
  const agreed = Math.max(...ops.nodes.flatMap((n) => n.shards.filter((s) => s.shard === shard.shard).map((s) => s.committed)))
  return Math.max(0, agreed - shard.applied)
}
