import { call, Refusal, type Schemas } from '@/api/client'

// A place in the line of those who log in. The ticket and the login name outlive a reload of this tab; the password is in
// the page's memory alone, and only until the turn has come.

export type Place = Schemas['Place']

export interface Line {
  login: string
  place: Place
  /** When the place was told, by this device's clock. */
  told: number
  /** How many went before at first. */
  first: number
}

const key = 'evenkeel.line'

/** The line in which a place was told; `before` is what was known of it. */
export function lineOf(login: string, place: Place, before?: Line): Line {
  const same = before && before.login === login && !place.renewed
  return { login, place, told: Date.now(), first: Math.max(same ? before.first : 0, place.ahead, 1) }
}

/** The place that a refused login was told; undefined: it was refused for another reason. */
export function placeOf(error: unknown): Place | undefined {
  return error instanceof Refusal && error.reason === 'LOGIN_WAITS' ? error.details.waiting : undefined
}

export function keepLine(line: Line | undefined): void {
  try {
    if (line) sessionStorage.setItem(key, JSON.stringify(line))
    else sessionStorage.removeItem(key)
  } catch { /* a browser that keeps nothing: a reload begins anew */ }
}

/** The line in which this tab stood before it was loaded anew. */
export function keptLine(now = Date.now()): Line | undefined {
  try {
    const line = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Line | null
    if (line && typeof line.login === 'string' && typeof line.place.ticket === 'string' && now < Date.parse(line.place.until)) return line
  } catch { /* not ours */ }
  return undefined
}

/** Asks how long it still is. */
export const askPlace = (ticket: string): Promise<Place> => call('post', '/api/v1/login/place', { body: { ticket } })

/** Milliseconds until the turn, as far as is known. */
export function leftOf(line: Line, now: number): number {
  return line.place.called ? 0 : Math.max(0, line.told + line.place.expected_seconds * 1000 - now)
}

/** How much of the way is behind, from 0 to 1: by those before as they were told, and between two tellings by the time. */
export function progressOf(line: Line, now: number): number {
  if (line.place.called) return 1
  const expected = line.place.expected_seconds * 1000
  const since = expected > 0 ? Math.min(1, Math.max(0, now - line.told) / expected) : 0
  return Math.min(0.99, 1 - (line.place.ahead / line.first) * (1 - since))
}
