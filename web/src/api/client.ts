import { groupedIn } from '@/lib/decimal'
import { typeset } from '@/lib/typeset'
import type { components, paths } from './schema'

// The one way to the REST API: typed by openapi.yaml, with the session's cookie, in the house's own words for what went
// wrong. Amounts stay decimal strings (lib/decimal).

export type Schemas = components['schemas']

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never
type Json<T> = T extends { content: { 'application/json': infer B } } ? B : undefined
type Answer<O> = O extends { responses: infer R }
  ? { [K in keyof R]: K extends 200 | 201 | 202 | 204 | 207 ? Json<R[K]> : never }[keyof R]
  : never
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : unknown
type Query<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : Record<string, never>

/** What is asked, beside the path's pattern. */
export interface Question<O> {
  path?: Record<string, string>
  query?: Query<O>
  body?: Body<O>
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** The answer's freshness: undefined when the server vouches for it, milliseconds or null (unknown) when it may lag. */
export interface Fresh<T> {
  data: T
  stale: number | null | undefined
}

/** A refusal as the server words it: a stable reason, both languages, the numbers and the nearest value that would pass. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly zh: string,
    readonly en: string,
    readonly details: Partial<Schemas['Refusal']> = {},
    /** Seconds after which to come back. */
    readonly after?: number,
  ) {
    super(`${reason}: ${en}`)
  }
  override name = 'Refusal'
  /**
   * Whether the outcome is unknown: ask by the client order id, never send again blindly. So it is where no answer came,
   * or half of one, where something before the server answered in its place (HTTP_5..), and where the server met a bug.
   */
  get unknown(): boolean {
    return ['NETWORK', 'TIMEOUT', 'BROKEN', 'OUTCOME_UNKNOWN', 'INTERNAL'].includes(this.reason) || this.reason.startsWith('HTTP_5')
  }
  words(language: string): string {
    return told(language.startsWith('zh') ? typeset(this.zh) : this.en, this.reason, this.details)
  }
}

/** The words of a reason, with their numbers as the page shows numbers: amounts and shares grouped, prices as they are. */
export function told(words: string, reason: string, numbers: { given?: string; bound?: string; nearest?: string } = {}): string {
  return reason.includes('PRICE') ? words : groupedIn(words, [numbers.given, numbers.bound, numbers.nearest])
}

const timeout = 20_000 // as long as the server takes at most

/** Called when a request finds that there is no session any more. */
let onNobody: () => void = () => {}
export function whenNobody(then: () => void): void {
  onNobody = then
}

function address(pattern: string, path: Record<string, string> = {}, query: object = {}): string {
  const filled = pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) search.set(name, String(value))
  const text = search.toString()
  return text ? `${filled}?${text}` : filled
}

async function refusal(answer: Response): Promise<Refusal> {
  const after = Number(answer.headers.get('Retry-After')) || undefined
  try {
    const said = (await answer.json()) as Schemas['Refusal']
    if (typeof said.reason !== 'string') throw new TypeError('it is not of this house')
    return new Refusal(answer.status, said.reason, said.message_zh, said.message_en, said, after)
  } catch {
    return new Refusal(answer.status, `HTTP_${answer.status}`, `服务器答复 ${answer.status}`, `the server answered ${answer.status}`, {}, after)
  }
}

/** Asks any address of this server, with the client's rules. */
export async function ask(method: string, url: string, question: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
  const limit = AbortSignal.timeout(timeout)
  let answer: Response
  try {
    answer = await fetch(url, {
      method: method.toUpperCase(),
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { Accept: 'application/json', ...(question.body === undefined ? {} : { 'Content-Type': 'application/json' }), ...question.headers },
      body: question.body === undefined ? undefined : JSON.stringify(question.body),
      signal: question.signal ? AbortSignal.any([question.signal, limit]) : limit,
    })
  } catch (error) {
    if (question.signal?.aborted) throw error
    throw limit.aborted
      ? new Refusal(0, 'TIMEOUT', '服务器没有及时答复', 'the server did not answer in time')
      : new Refusal(0, 'NETWORK', '网络不通,没有得到答复', 'the network did not answer')
  }
  if (answer.ok) return answer
  const refused = await refusal(answer)
  if (answer.status === 401 && !url.startsWith('/api/v1/login')) onNobody()
  throw refused
}

/** What an answer says; one that breaks off, or is not of this house, is none. */
async function read(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined
  try {
    return await answer.json()
  } catch {
    throw new Refusal(0, 'BROKEN', '答复没有完整收到', 'the answer did not arrive whole')
  }
}

/** Asks, and says how fresh the answer is. */
export async function callFresh<P extends keyof paths, M extends Method>(
  method: M, pattern: P, question: Question<Operation<P, M>> = {},
): Promise<Fresh<Answer<Operation<P, M>>>> {
  const answer = await ask(method, address(pattern, question.path, question.query), question)
  const header = answer.headers.get('X-Evenkeel-Stale')
  const stale = header === null ? undefined : /^\d+$/.test(header) ? Number(header) : null
  const data = await read(answer)
  return { data: data as Answer<Operation<P, M>>, stale }
}

/** `call('get', '/api/v1/quotes/{symbol}', { path: { symbol } })` */
export async function call<P extends keyof paths, M extends Method>(
  method: M, pattern: P, question: Question<Operation<P, M>> = {},
): Promise<Answer<Operation<P, M>>> {
  return (await callFresh(method, pattern, question)).data
}

/** For addresses that openapi.yaml does not describe (the Alpaca-compatible API under /v2): the caller says the type. */
export async function callOther<T>(method: Method, url: string, question: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<T> {
  const answer = await ask(method, url, question)
  return (await read(answer)) as T
}
