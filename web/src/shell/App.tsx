import { QueryClientProvider } from '@tanstack/react-query'
import { Component, lazy, Suspense, useDeferredValue, useEffect, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Redirect, Route, Switch, useLocation } from 'wouter'
import { findSession, useSession, whenOther } from '@/api/session'
import { queries } from '@/api/query'
import { areas } from '@/areas/area'
import { live } from '@/live/live'
import { Button, EmptyState, Failed, Skeleton, Toasts } from '@/ui'
import { isUnfetched } from '@/lib/unfetched'
import { Alone } from './Alone'
import { fetchInside } from './inside'
import { Locked } from './Locked'

const Shell = lazy(fetchInside)

whenOther(() => live.forget())

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Suspense fallback={null}><Session /></Suspense>
      <Suspense fallback={null}><Toasts /></Suspense>
    </QueryClientProvider>
  )
}

const routes = areas.flatMap((area) => area.routes)

function Session() {
  const found = useSession()
  const settled = useDeferredValue(found)
  // Going in is drawn in slices, so that a slow phone answers meanwhile; going out, and the lock, at once.
  const session = found.state === 'somebody' ? settled : found
  const [alone, setAlone] = useState<number>() // since when the server cannot be asked who this is
  useEffect(() => {
    if (found.state !== 'unknown') return
    let timer: ReturnType<typeof setTimeout>
    const look = () => {
      clearTimeout(timer)
      void findSession().catch(() => { setAlone((since) => since ?? Date.now()); timer = setTimeout(look, 1500) }) // the server is not there yet
    }
    look()
    addEventListener('online', look)
    return () => { clearTimeout(timer); removeEventListener('online', look); setAlone(undefined) }
  }, [found.state])
  const inside = session.state === 'somebody'
  useEffect(() => {
    if (!inside) return
    let gone = false
    void fetchInside().then(() => { if (!gone) live.start() }, () => {}) // who tells of the first event comes with the shell
    const over = live.comeback(() => void queries.invalidateQueries())
    return () => { gone = true; over(); live.stop() }
  }, [inside])
  const [path] = useLocation()
  if (session.state === 'unknown') return alone === undefined ? <main className="h-full"><Skeleton lines={6} /></main> : <Alone since={alone} />
  if (session.state === 'locked') return <Locked login={session.login} />
  const open = routes.filter((r) => r.open).map((r) => <Route key={r.path} path={r.path}>{(params) => <Page><r.page params={params} /></Page>}</Route>)
  if (!inside) return <Switch>{open}<Route><Redirect to={`/login?next=${encodeURIComponent(path)}`} replace /></Route></Switch>
  return (
    <Guard><Suspense fallback={<Skeleton lines={8} />}><Shell>
      <Switch>
        <Route path="/"><Redirect to="/market" replace /></Route>
        <Route path="/login"><Redirect to="/market" replace /></Route>
        {routes.filter((r) => !r.staff || session.account.permissions.includes('operate')).map((r) => <Route key={r.path} path={r.path}>{(params) => <Page key={r.path}><r.page params={params} /></Page>}</Route>)}
        <Route><NotFound /></Route>
      </Switch>
    </Shell></Suspense></Guard>
  )
}

function Page({ children }: { children: ReactNode }) {
  return <Guard><Suspense fallback={<Skeleton lines={8} />}>{children}</Suspense></Guard>
}

function NotFound() {
  const { t } = useTranslation()
  return <EmptyState icon="search" title={t('state.notFound')} action={<Link href="/market" className="mt-2 inline-flex min-h-11 items-center rounded-control border border-line px-4 text-text hover:bg-surface-2">{t('nav.market')}</Link>}>{t('state.notFoundText')}</EmptyState>
}

/** Keeps an error of one page, or that the network did not bring it, from taking the rest with it. */
class Guard extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {}
  static getDerivedStateFromError(error: Error) { return { error } }
  override render() {
    if (!this.state.error) return this.props.children
    return <Broken error={this.state.error} />
  }
}

function Broken({ error }: { error: Error }) {
  const { t } = useTranslation()
  return (
    <div className="p-6"><h1 className="sr-only">{t('state.failed')}</h1>
      {isUnfetched(error) ? <EmptyState icon="warn" title={t('state.failed')}><p>{t('state.unfetched')}</p></EmptyState> : <Failed error={error} />}
      <Reload /></div>
  )
}

function Reload() {
  const { t } = useTranslation()
  return <p className="text-center"><Button icon="refresh" onClick={() => location.reload()}>{t('action.reload')}</Button></p>
}
