import { useState, type FormEvent } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useLocation, useSearch } from 'wouter'
import { callOther, Refusal } from '@/api/client'
import { logIn, useSession } from '@/api/session'
import { Appearance } from '@/shell/Appearance'
import { Button, Field, Icon } from '@/ui'

interface Demo { demo: boolean; accounts: { login: string; password: string }[] }

export default function Login() {
  const { t, i18n } = useTranslation('login')
  const session = useSession()
  const [, go] = useLocation()
  const next = new URLSearchParams(useSearch()).get('next') ?? '/market'
  const [login, setLogin] = useState('')
  const [password, setPassword] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const demo = useQuery({ queryKey: ['demo'], queryFn: () => callOther<Demo>('get', '/api/v1/demo'), staleTime: Infinity })
  const enter = async (name: string, secret: string) => {
    setBusy(true)
    setError(undefined)
    try {
      await logIn(name, secret)
      go(/^\/(?!\/|login)/.test(next) ? next : '/market', { replace: true })
    } catch (wrong) {
      setError(wrong)
      setBusy(false)
    }
  }
  const submit = (event: FormEvent) => { event.preventDefault(); void enter(login, password) }
  return (
    <main className="flex min-h-full flex-col items-center justify-center gap-4 p-4">
      <div className="w-full max-w-[400px] rounded-card border border-line bg-surface p-6">
        <header className="mb-5 flex items-center gap-3">
          <img src="/icons/icon.svg" alt="" width={44} height={44} />
          <div><h1 className="text-[20px] font-semibold">Evenkeel</h1><p className="text-muted">{t('subtitle')}</p></div>
        </header>
        {session.state === 'nobody' && session.ended ? <p role="status" className="mb-3 rounded-control bg-warn-soft px-3 py-2 text-warn">{t('ended')}</p> : null}
        <form onSubmit={submit} className="flex flex-col gap-3">
          <Field label={t('login')} name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus required value={login} onChange={(e) => setLogin(e.target.value)} className="h-11" />
          <Field label={t('password')} name="password" type="password" autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.target.value)} className="h-11" />
          {error ? <p role="alert" className="flex items-start gap-1.5 text-danger"><Icon name="warn" size={16} className="mt-0.5 shrink-0" />{error instanceof Refusal ? error.words(i18n.language) : String(error)}</p> : null}
          <Button type="submit" look="primary" size="large" busy={busy}>{t('enter')}</Button>
        </form>
        {demo.data && demo.data.accounts.length > 0 ? (
          <section className="mt-6 border-t border-line pt-4">
            <h2 className="mb-1 font-semibold">{t('demo')}</h2>
            <p className="mb-3 text-muted">{t('demoText')}</p>
            <div className="grid grid-cols-2 gap-2">
              {demo.data.accounts.slice(0, 8).map((a) => <Button key={a.login} disabled={busy} onClick={() => void enter(a.login, a.password)}>{t('as', { login: a.login })}</Button>)}
            </div>
          </section>
        ) : null}
      </div>
      <div className="w-full max-w-[400px] px-2"><Appearance /></div>
    </main>
  )
}
