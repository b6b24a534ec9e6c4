import { Store, useStore } from '@/lib/store'
import { call, Refusal, whenNobody, type Schemas } from './client'
import { queries } from './query'

// Who is logged in. The session itself is an HttpOnly cookie that no script sees; this is what the screen shows of it.

export type Session =
  | { state: 'unknown' } // not asked yet
  | { state: 'nobody'; ended?: boolean } // ended: there was a session, and it is over
  | { state: 'somebody'; account: Schemas['Account'] }

export const session = new Store<Session>({ state: 'unknown' })

export const useSession = (): Session => useStore(session)

/** Asks the server whether the cookie is a session. */
export async function findSession(): Promise<Session> {
  try {
    const account = await call('get', '/api/v1/account')
    session.set({ state: 'somebody', account })
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) session.set((s) => (s.state === 'unknown' ? { state: 'nobody' } : s))
    else throw error
  }
  return session.get()
}

export async function logIn(login: string, password: string): Promise<void> {
  await call('post', '/api/v1/login', { body: { login, password } as never })
  queries.clear()
  session.set({ state: 'unknown' })
  await findSession()
}

export async function logOut(): Promise<void> {
  try {
    await call('post', '/api/v1/logout')
  } finally {
    queries.clear()
    session.set({ state: 'nobody' })
  }
}

whenNobody(() => {
  if (session.get().state !== 'somebody') return
  queries.clear()
  session.set({ state: 'nobody', ended: true })
})
