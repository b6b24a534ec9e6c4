import { useEffect, useState, type FormEvent } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useLocation, useSearch } from 'wouter'
import { callOther, Refusal } from '@/api/client'
import { declined, passkeysHere } from '@/api/passkeys'
import { logIn, logInByDevice, logInPasskey, logInSecond, useSession, type Step } from '@/api/session'
import { Appearance } from '@/shell/Appearance'
import { fetchInside } from '@/shell/inside'
import { Button, Field, Icon } from '@/ui'
import { fetchPage } from '../area'
import { askPlace, keepLine, keptLine, lineOf, placeOf, type Line } from './line'
import { Waiting } from './Waiting'

interface Demo { demo: boolean; accounts: { login: string; password: string; staff: boolean }[] }

const idle = 30_000 // between two looks while a password is typed in its turn
const away = 5 // seconds, when nobody answers

export default function Login() {
  const { t, i18n } = useTranslation('login')
  const session = useSession()
  const [, go] = useLocation()
  const next = new URLSearchParams(useSearch()).get('next') ?? '/market'
  const [line, setLine] = useState(() => keptLine())
  const [held, setHeld] = useState<string>() // the password of who waits
  const [login, setLogin] = useState(line?.login ?? '')
  const [password, setPassword] = useState('')
  const [step, setStep] = useState<Step>()
  const [code, setCode] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const demo = useQuery({ queryKey: ['demo'], queryFn: () => callOther<Demo>('get', '/api/v1/demo'), staleTime: Infinity })
  const stand = (next: Line | undefined) => { keepLine(next); setLine(next) }
  const leave = () => { stand(undefined); setHeld(undefined); setPassword('') }
  const enter = async (name: string, secret: string, mine = line?.login === name ? line : undefined, to = next) => {
    setBusy(true)
    setError(undefined)
    fetchInside().catch(() => {}) // while the password is looked at
    fetchPage(inner(to))
    try {
      const left = await logIn(name, secret, mine?.place.ticket)
      stand(undefined)
      setHeld(undefined)
      if (left) {
        setStep(left)
        setBusy(false)
        return
      }
      go(inner(to), { replace: true })
    } catch (wrong) {
      setBusy(false)
      const place = placeOf(wrong)
      if (place) {
        stand(lineOf(name, place, mine))
        setHeld(secret)
        setLogin(name)
        setPassword('')
      } else if (mine && held !== undefined && passing(wrong)) {
        stand(delayed(mine, wrong))
      } else {
        setHeld(undefined)
        setError(wrong)
      }
    }
  }
  const look = async (mine: Line) => {
    try {
      const place = mine.place.called ? mine.place : await askPlace(mine.place.ticket)
      if (place.called && held !== undefined) await enter(mine.login, held, { ...mine, place })
      else stand(lineOf(mine.login, mine.place.called ? await askPlace(place.ticket) : place, mine))
    } catch (wrong) {
      if (passing(wrong)) stand(delayed(mine, wrong))
      else if (held !== undefined) await enter(mine.login, held) // the ticket is over: a new place
      else { leave(); setError(wrong) }
    }
  }
  useEffect(() => {
    if (!line || busy) return
    const wait = line.place.called && held === undefined ? idle : line.place.return_seconds * 1000
    const timer = setTimeout(() => void look(line), Math.max(0, line.told + wait - Date.now()))
    return () => clearTimeout(timer)
  }, [line, held, busy])
  const turn = line?.place.called && held === undefined && line.login === login
  const prove = async (event: FormEvent) => {
    event.preventDefault()
    if (!step) return
    setBusy(true)
    setError(undefined)
    try {
      await logInSecond(step, code)
      go(inner(next), { replace: true })
    } catch (wrong) {
      setError(wrong)
      setBusy(false)
      setCode('')
      if (wrong instanceof Refusal && wrong.reason === 'STEP_OVER') setStep(undefined)
    }
  }
  const byPasskey = async () => {
    if (!step) return
    setBusy(true)
    setError(undefined)
    try {
      await logInPasskey(step)
      go(inner(next), { replace: true })
    } catch (wrong) {
      setError(declined(wrong) ? t('declined') : wrong)
      setBusy(false)
      if (wrong instanceof Refusal) setStep(undefined) // the challenge is used up
    }
  }
  const byDevice = async () => {
    setError(undefined)
    if (!passkeysHere()) {
      setError(t('deviceNone'))
      return
    }
    setBusy(true)
    try {
      await logInByDevice()
      stand(undefined)
      go(inner(next), { replace: true })
    } catch (wrong) {
      if (declined(wrong)) setError(t('deviceDeclined'))
      else if (wrong instanceof DOMException) setError(t('deviceFailed'))
      else setError(wrong instanceof Refusal && wrong.reason === 'PROOF_WRONG' ? t('deviceRefused') : wrong)
      setBusy(false)
    }
  }
  const submit = (event: FormEvent) => { event.preventDefault(); void enter(login, password) }
  const said = error ? <p role="alert" className="flex items-start gap-1.5 text-danger"><Icon name="warn" size={16} className="mt-0.5 shrink-0" />{error instanceof Refusal ? error.words(i18n.language) : String(error)}</p> : null
  return (
    <main className="flex min-h-full flex-col items-center justify-center gap-4 p-4">
      <div className="w-full max-w-[400px] rounded-card border border-line bg-surface p-6">
        <header className="mb-5 flex items-center gap-3">
          <img src="/icons/icon.svg" alt="" width={44} height={44} />
          <div><h1 className="text-[20px] font-semibold">Evenkeel</h1><p className="text-muted">{t('subtitle')}</p></div>
        </header>
        {session.state === 'nobody' && session.ended ? <p role="status" className="mb-3 rounded-control bg-warn-soft px-3 py-2 text-warn">{t('ended')}</p> : null}
        {step ? (
        <form onSubmit={(event) => void prove(event)} className="flex flex-col gap-3">
          <h2 className="font-semibold">{t('second')}</h2>
          {step.passkey && passkeysHere() ? <Button look="primary" size="large" icon="lock" busy={busy} onClick={() => void byPasskey()}>{t('passkey')}</Button> : null}
          <Field key="code" label={t('code')} hint={t('codeText')} name="one-time-code" autoComplete="one-time-code" autoCapitalize="none" spellCheck={false} autoFocus required value={code} onChange={(e) => setCode(e.target.value)} className="num h-11" />
          {said}
          <Button type="submit" look="primary" size="large" busy={busy}>{t('enter')}</Button>
          <Button look="ghost" onClick={() => { setStep(undefined); setError(undefined); setPassword('') }}>{t('backToPassword')}</Button>
        </form>
        ) : line && (held !== undefined || !line.place.called) ? (
        <Waiting line={line} byItself={held !== undefined} onLeave={leave} />
        ) : (
        <form onSubmit={submit} className="flex flex-col gap-3">
          {turn ? <p role="status" className="rounded-control bg-good-soft px-3 py-2 text-good">{t('turn')}</p> : null}
          <Field label={t('login')} name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus={!turn} required value={login} onChange={(e) => setLogin(e.target.value)} className="h-11" />
          <Field label={t('password')} name="password" type="password" autoComplete="current-password" autoFocus={turn} required value={password} onChange={(e) => setPassword(e.target.value)} className="h-11" />
          {said}
          <Button type="submit" look="primary" size="large" busy={busy}>{t('enter')}</Button>
          <Button size="large" icon="lock" disabled={busy} onClick={() => void byDevice()}>{t('device')}</Button>
        </form>
        )}
        {!step && !line && demo.data && demo.data.accounts.length > 0 ? (
          <section className="mt-6 border-t border-line pt-4">
            <h2 className="mb-1 font-semibold">{t('demo')}</h2>
            <p className="mb-3 text-muted">{t('demoText')}</p>
            <div className="grid grid-cols-2 gap-2">
              {demo.data.accounts.filter((a) => !a.staff).slice(0, 8).map((a) => <Button key={a.login} disabled={busy} onClick={() => void enter(a.login, a.password)}>{t('as', { login: a.login })}</Button>)}
              {demo.data.accounts.filter((a) => a.staff).map((a) => <Button key={a.login} icon="ops" disabled={busy} className="col-span-2" onClick={() => void enter(a.login, a.password, undefined, '/ops')}>{t('asStaff', { login: a.login })}</Button>)}
            </div>
          </section>
        ) : null}
      </div>
      <div className="w-full max-w-[400px] px-2"><Appearance /></div>
    </main>
  )
}

/** Whether an error says nothing about a place in line: it is asked for again. */
function passing(wrong: unknown): boolean {
  return wrong instanceof Refusal && (wrong.unknown || wrong.status === 429 || wrong.status >= 500)
}

function delayed(line: Line, wrong: unknown): Line {
  const after = wrong instanceof Refusal ? wrong.after : undefined
  return { ...line, place: { ...line.place, return_seconds: (after ?? away) + (Date.now() - line.told) / 1000 } }
}

/** Where to go after a login: a page of ours, never an address that somebody else put into the link. */
function inner(next: string): string {
  return /^\/(?![/\\]|login)/.test(next) ? next : '/market'
}
