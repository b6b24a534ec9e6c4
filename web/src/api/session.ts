import { Store, useStore } from '@/lib/store'
import { provePasskey } from './passkeys'
import { call, Refusal, whenNobody, type Schemas } from './client'
import { queries } from './query'

// Who is logged in. The session itself is an HttpOnly cookie that no script sees; this is what the screen shows of it.

export type Session =
  | { state: 'unknown' } // not asked yet
  | { state: 'nobody'; ended?: boolean } // ended: there was a session, and it is over
  | { state: 'locked'; login: string } // left alone: the password is asked for again
  | { state: 'somebody'; account: Schemas['Account'] }

export const session = new Store<Session>({ state: 'unknown' })

/** Whose the page's memory is: kept over a lock and a session's end, forgotten with a log out or another account. */
const owner = { login: '', forget: [] as (() => void)[] }

function own(login: string): void {
  if (owner.login && login !== owner.login) for (const forget of owner.forget) forget()
  owner.login = login
}

/** Calls back when what an account left in this page's memory must go. */
export function whenOther(forget: () => void): void {
  owner.forget.push(forget)
}

session.follow(() => {
  const now = session.get()
  if (now.state === 'somebody') own(now.account.login)
})

export const useSession = (): Session => useStore(session)

/** What is left of a login whose password was right. */
export type Step = Schemas['LoginStep']

interface Early { demo: Promise<Schemas['Demo'] | undefined>; account: Promise<Schemas['Account'] | undefined> }

/** What public/boot.js asked before the app was there; each is taken once, and what it could not get is asked again, in words. */
function early<K extends keyof Early>(what: K): Early[K] | undefined {
  const asked = (globalThis as { evenkeel?: Partial<Early> }).evenkeel
  const answer = asked?.[what]
  delete asked?.[what]
  return answer
}

/** A lock that the server may not know of yet: kept in the browser, or a reload would open what was locked without a network. */
const due = {
  key: 'evenkeel.lock',
  get is(): boolean {
    try { return localStorage.getItem(this.key) !== null } catch { return false } // private windows have no storage
  },
  set is(on: boolean) {
    try { if (on) localStorage.setItem(this.key, ''); else localStorage.removeItem(this.key) } catch { /* nor can it be kept there */ }
  },
}

/** Has the server lock the session, as it may have been asked before. Fails when it cannot be asked. */
async function tellLock(): Promise<void> {
  try {
    await call('post', '/api/v1/lock')
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 401)) throw error // else the session is over, or locked
  }
  due.is = false
}

/** Asks the server whether the cookie is a session, or one that is locked. */
export async function findSession(): Promise<Session> {
  try {
    if (due.is) {
      await tellLock()
      early('account') // what it answered is of before
    }
    if (session.get().state === 'unknown') {
      // Asking for the account at once would leave a 401 in the console of everybody who comes to log in.
      const demo = (await early('demo')) ?? await call('get', '/api/v1/demo')
      queries.setQueryData(['demo'], demo)
      if (!demo.session) return nobody()
    }
    const account = (await early('account')) ?? await call('get', '/api/v1/account')
    session.set({ state: 'somebody', account })
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 401)) throw error
    return nobody()
  }
  return session.get()
}

async function nobody(): Promise<Session> {
  const login = await findLock()
  if (login) session.set({ state: 'locked', login })
  else session.set((s) => (s.state === 'unknown' ? { state: 'nobody' } : s))
  return session.get()
}

async function findLock(): Promise<string | null | undefined> {
  try {
    return (await call('get', '/api/v1/lock')).login
  } catch (error) {
    if (error instanceof Refusal && error.status >= 400 && error.status !== 429) return undefined
    throw error
  }
}

async function begin(): Promise<void> {
  due.is = false
  queries.clear()
  session.set({ state: 'unknown' })
  await findSession()
}

/** Logs in, in its turn by the ticket; where the account has a second proof, the step that is left comes back. */
export async function logIn(login: string, password: string, ticket?: string): Promise<Step | undefined> {
  const answer = await call('post', '/api/v1/login', { body: { login, password, ticket } as never })
  if ('step' in answer) return answer
  await begin()
  return undefined
}

export async function logInSecond(step: Step, code: string): Promise<void> {
  await call('post', '/api/v1/login/second', { body: { step: step.step, code } })
  await begin()
}

/** The second step by a passkey of this device, which the browser asks for. */
export async function logInPasskey(step: Step): Promise<void> {
  if (!step.passkey) return
  const credential = await provePasskey(step.passkey.options)
  await call('post', '/api/v1/login/second', { body: { step: step.step, challenge: step.passkey.challenge, credential } })
  await begin()
}

/** Logs in by a passkey alone: the device knows whose it is. */
export async function logInByDevice(): Promise<void> {
  const { options, challenge } = await call('post', '/api/v1/login/passkey')
  const credential = await provePasskey(options)
  await call('post', '/api/v1/login/passkey/confirm', { body: { challenge, credential } })
  await begin()
}

export async function logOut(): Promise<void> {
  try {
    await call('post', '/api/v1/logout')
  } finally {
    due.is = false
    queries.clear()
    own('')
    session.set({ state: 'nobody' })
  }
}

const lockAgain = 5_000 // milliseconds until the server is asked again to lock

/**
 * Locks the screen at once: what was on it is forgotten. The cookie opens nothing until the password was given, as soon
 * as the server knows; until then it is told again.
 */
export async function lock(): Promise<void> {
  const now = session.get()
  if (now.state !== 'somebody') return
  const login = now.account.login
  queries.clear()
  const locked: Session = { state: 'locked', login }
  session.set(locked)
  due.is = true
  while (session.get() === locked) { // an unlock, or another lock, ends this one
    try {
      return await tellLock()
    } catch { /* it is told again */ }
    await new Promise((then) => setTimeout(then, lockAgain))
  }
}

export async function unlock(password: string): Promise<void> {
  await call('post', '/api/v1/unlock', { body: { password } })
  await begin()
}

whenNobody(() => {
  if (session.get().state !== 'somebody') return
  queries.clear()
  session.set({ state: 'unknown' }) // over, or locked in another window: App asks which
  void findSession().then((found) => { if (found.state === 'nobody') session.set({ state: 'nobody', ended: true }) }, () => {})
})
