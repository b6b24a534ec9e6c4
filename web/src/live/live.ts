import type { Schemas } from '@/api/client'
import { Store } from '@/lib/store'

// One WebSocket feeds the whole screen (GET /api/v1/stream). Rows are kept here, outside of React, and each component
// follows its own row: 200 rows that change 20 times a second draw 200 small cells and nothing else. What comes between
// two frames of the display is told once, before the next.
//
// Freshness: the server sends a quote only when it changes, and says every 2 s whether it hears the exchange. While it
// does, every quote holds, however old. So the age of a quote is the time since the later of two moments: when it came,
// and when the server last said that its data is up.

export type Quote = Schemas['ScreenQuote']
export type Depth = Schemas['ScreenDepth']['d']
export type Tick = Schemas['ScreenTick']
export type Status = Schemas['ScreenStatus']['d']
export type AccountEvent = Schemas['Event']
export type Topic = 'quotes' | 'depth' | 'ticks'

/** The state of the connection; since is when it began, in this machine's time. */
export interface Link {
  state: 'idle' | 'connecting' | 'live' | 'reconnecting' | 'offline'
  since: number
}

/** Prices that are older than this are shown as old. */
export const staleAfter = 5_000

const silence = 6_500 // the server speaks every 2 s: nothing for so long is a dead connection
const firstWait = 150
const longestWait = 4_000
const mostTicks = 500
const lingering = 3_000 // rows that nobody looks at any more are still asked for so long: scrolling back costs nothing

type Message =
  | Schemas['ScreenStatus'] | Schemas['ScreenQuotes'] | Schemas['ScreenDepth'] | Schemas['ScreenTicks']
  | Schemas['ScreenEvents'] | Schemas['ScreenEvent'] | Schemas['ScreenPong'] | Schemas['ScreenError']

interface Row<T> {
  value: T | undefined
  came: number // performance.now()
  listeners: Set<() => void>
}

const topics: Topic[] = ['quotes', 'depth', 'ticks']

/** What Live needs of a WebSocket, so that tests can give another. */
export type Open = (url: string) => WebSocket

export class Live {
  readonly link = new Store<Link>({ state: 'idle', since: Date.now() })
  readonly status = new Store<Status | undefined>(undefined)
  /** How many quotes are old, told once a second: 0 while all hold. Its value is the time of the last word, if stale. */
  readonly staleness = new Store<number>(0)
  /** Server's time minus ours, in milliseconds. */
  skew = 0

  private socket: WebSocket | undefined
  private rows: { [K in Topic]: Map<string, Row<unknown>> } = { quotes: new Map(), depth: new Map(), ticks: new Map() }
  private wanted: { [K in Topic]: Map<string, number> } = { quotes: new Map(), depth: new Map(), ticks: new Map() }
  private asked: { [K in Topic]: Set<string> } = { quotes: new Set(), depth: new Set(), ticks: new Set() }
  private dirty = new Set<Row<unknown>>()
  private frame: number | undefined
  private asking = false
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private heard = 0 // performance.now() of the last frame
  private vouched = -Infinity // performance.now() when the server last said that its data is up
  private began = -Infinity // performance.now() when this connection was opened
  private running = false
  private lastEvent: string | undefined
  private hearers = new Set<(event: AccountEvent) => void>()
  private comebacks = new Set<() => void>()
  private beat: ReturnType<typeof setInterval> | undefined
  private now: () => number

  constructor(private open: Open = (url) => new WebSocket(url), now: () => number = () => performance.now()) {
    this.now = now
  }

  /** Begins, with the account's events behind the last one that was heard. */
  start(): void {
    if (this.running) return
    this.running = true
    this.beat = setInterval(this.pulse, 1000)
    addEventListener('online', this.hurry)
    addEventListener('offline', this.cutOff)
    document.addEventListener('visibilitychange', this.seen)
    this.connect()
  }

  /** Another account is here: what was told to the one before is nothing to go on from. */
  forget(): void {
    this.lastEvent = undefined
  }

  /** Ends. Where the account's events stopped is kept: after a lock they go on from there. */
  stop(): void {
    this.running = false
    clearInterval(this.beat)
    clearTimeout(this.timer)
    removeEventListener('online', this.hurry)
    removeEventListener('offline', this.cutOff)
    document.removeEventListener('visibilitychange', this.seen)
    const socket = this.socket
    this.socket = undefined
    socket?.close()
    this.attempt = 0
    this.move('idle')
    this.status.set(undefined)
  }

  /** Asks for rows until the returned function is called. */
  want(topic: Topic, symbols: readonly string[]): () => void {
    const wanted = this.wanted[topic]
    for (const symbol of symbols) wanted.set(symbol, (wanted.get(symbol) ?? 0) + 1)
    this.askSoon()
    let over = false
    return () => {
      if (over) return
      over = true
      setTimeout(() => {
        for (const symbol of symbols) {
          const left = (wanted.get(symbol) ?? 1) - 1
          if (left > 0) wanted.set(symbol, left)
          else wanted.delete(symbol)
        }
        this.askSoon()
      }, lingering)
    }
  }

  /** Follows one row. */
  follow(topic: Topic, symbol: string, listener: () => void): () => void {
    const row = this.row(topic, symbol)
    row.listeners.add(listener)
    return () => row.listeners.delete(listener)
  }

  quote = (symbol: string): Quote | undefined => this.rows.quotes.get(symbol)?.value as Quote | undefined
  depth = (symbol: string): Depth | undefined => this.rows.depth.get(symbol)?.value as Depth | undefined
  ticks = (symbol: string): readonly Tick[] | undefined => this.rows.ticks.get(symbol)?.value as Tick[] | undefined

  /** How old a row is, in milliseconds: 0 while it holds, Infinity when it never came. */
  age(topic: Topic, symbol: string): number {
    const row = this.rows[topic].get(symbol)
    if (row?.value === undefined) return Infinity
    // The server vouches for what it sent over this connection, not for what is left from the one before.
    const age = this.now() - (row.came >= this.began ? Math.max(row.came, this.vouched) : row.came)
    return age < staleAfter ? 0 : age
  }

  /** Hears of the account's events, each once and in order. */
  hear(listener: (event: AccountEvent) => void): () => void {
    this.hearers.add(listener)
    return () => this.hearers.delete(listener)
  }

  /** Is told when the connection is back after it was lost: what was asked by REST meanwhile is asked again. */
  comeback(listener: () => void): () => void {
    this.comebacks.add(listener)
    return () => this.comebacks.delete(listener)
  }

  /** The server's time now, as well as we know it. */
  time(): number {
    return Date.now() + this.skew
  }

  private row(topic: Topic, symbol: string): Row<unknown> {
    let row = this.rows[topic].get(symbol)
    if (!row) {
      row = { value: undefined, came: -Infinity, listeners: new Set() }
      this.rows[topic].set(symbol, row)
    }
    return row
  }

  private move(state: Link['state']): void {
    if (this.link.get().state !== state) this.link.set({ state, since: Date.now() })
  }

  private connect = (): void => {
    clearTimeout(this.timer)
    if (!this.running || this.socket) return
    if (!navigator.onLine) return this.move('offline')
    if (this.link.get().state === 'idle') this.move('connecting')
    else if (this.link.get().state !== 'connecting') this.move('reconnecting')
    const url = new URL('/api/v1/stream', location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = this.open(url.href)
    this.socket = socket
    this.heard = this.now()
    socket.onopen = () => this.opened(socket)
    socket.onmessage = (message) => this.message(socket, String(message.data))
    socket.onclose = () => this.closed(socket)
  }

  private opened(socket: WebSocket): void {
    if (socket !== this.socket) return
    for (const topic of topics) this.asked[topic].clear()
    this.began = this.now()
    this.ask()
    socket.send(JSON.stringify(this.lastEvent === undefined ? { op: 'events' } : { op: 'events', after: this.lastEvent }))
  }

  private closed(socket: WebSocket): void {
    if (socket !== this.socket) return
    this.socket = undefined
    if (!this.running) return
    this.move(navigator.onLine ? (this.link.get().state === 'connecting' ? 'connecting' : 'reconnecting') : 'offline')
    const most = Math.min(longestWait, firstWait * 2 ** this.attempt++)
    this.timer = setTimeout(this.connect, most * (0.5 + Math.random() / 2)) // jittered: not all screens at once
  }

  /** Tries at once: the network is back, or somebody looks again. */
  private hurry = (): void => {
    if (!this.running || this.socket) return
    this.attempt = 0
    this.connect()
  }

  private cutOff = (): void => {
    this.move('offline')
    this.drop()
  }

  private seen = (): void => {
    if (document.visibilityState !== 'visible') return
    if (this.socket && this.now() - this.heard > silence) this.drop()
    this.hurry()
  }

  private drop(): void {
    const socket = this.socket
    if (!socket) return
    socket.onclose = null
    socket.close()
    this.closed(socket)
  }

  private pulse = (): void => {
    const now = this.now()
    if (this.socket && now - this.heard > silence) this.drop()
    const old = now - this.vouched >= staleAfter
    this.staleness.set(old ? now : 0)
  }

  private askSoon(): void {
    if (this.asking) return
    this.asking = true
    queueMicrotask(() => {
      this.asking = false
      this.ask()
    })
  }

  /** Says the difference between what is wanted and what was asked for. */
  private ask(): void {
    if (this.socket?.readyState !== 1) return
    const more: Record<string, unknown> = { op: 'subscribe' }
    const less: Record<string, unknown> = { op: 'unsubscribe' }
    for (const topic of topics) {
      const [wanted, asked] = [this.wanted[topic], this.asked[topic]]
      const add = [...wanted.keys()].filter((symbol) => !asked.has(symbol))
      const drop = [...asked].filter((symbol) => !wanted.has(symbol))
      if (add.length > 0) more[topic] = add
      if (drop.length > 0) less[topic] = drop
      for (const symbol of add) asked.add(symbol)
      for (const symbol of drop) {
        asked.delete(symbol)
        this.row(topic, symbol).came = -Infinity // nobody keeps it up to date from here on
      }
    }
    for (const message of [less, more]) if (Object.keys(message).length > 1) this.socket.send(JSON.stringify(message))
  }

  private message(socket: WebSocket, text: string): void {
    if (socket !== this.socket) return
    this.heard = this.now()
    const m = JSON.parse(text) as Message
    switch (m.t) {
      case 'status': return this.hearStatus(m.d)
      case 'quotes':
        for (const quote of m.d) this.put('quotes', quote.symbol, quote)
        return
      case 'depth': return this.put('depth', m.d.symbol, m.d)
      case 'ticks': {
        const had = m.snapshot ? [] : (this.ticks(m.symbol) ?? [])
        return this.put('ticks', m.symbol, [...had, ...m.d].slice(-mostTicks))
      }
      case 'events':
        this.lastEvent ??= m.after
        return
      case 'event':
        if (this.lastEvent !== undefined && BigInt(m.d.number) <= BigInt(this.lastEvent)) return
        this.lastEvent = String(m.d.number)
        for (const hearer of [...this.hearers]) hearer(m.d)
        return
      case 'error':
        console.warn('stream:', m.reason, m.message_en)
    }
  }

  private hearStatus(status: Status): void {
    this.skew = Date.parse(status.time) - Date.now()
    if (status.exchange.data === 'up') this.vouched = this.now()
    const back = this.link.get().state === 'reconnecting' || this.link.get().state === 'offline'
    this.attempt = 0
    this.move('live')
    this.status.set(status)
    this.pulse()
    if (back) for (const comeback of [...this.comebacks]) comeback()
  }

  private put(topic: Topic, symbol: string, value: unknown): void {
    const row = this.row(topic, symbol)
    row.value = value
    row.came = this.now()
    this.dirty.add(row)
    this.frame ??= requestAnimationFrame(this.flush)
  }

  private flush = (): void => {
    this.frame = undefined
    const dirty = this.dirty
    this.dirty = new Set()
    for (const row of dirty) for (const listener of [...row.listeners]) listener()
  }
}

export const live = new Live()
