import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSending } from '@/api/sending'
import { logOut, unlock } from '@/api/session'
import { Button, Field, Icon } from '@/ui'

/** In place of every page while the screen is locked: nothing of the account is drawn behind it. */
export function Locked({ login }: { login: string }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const { busy, said, submit } = useSending(() => unlock(password), (wrong) => {
    setPassword('')
    return wrong
  })
  return (
    <main className="flex min-h-full flex-col items-center justify-center p-4">
      <form onSubmit={submit} className="flex w-full max-w-[360px] flex-col gap-3 rounded-card border border-line bg-surface p-6">
        <div className="flex items-center gap-3"><Icon name="lock" size={28} className="text-accent" />
          <div><h1 className="text-[18px] font-semibold">{t('lock.title')}</h1><p className="text-muted">{t('lock.text', { login })}</p></div></div>
        <input type="text" name="username" autoComplete="username" value={login} readOnly hidden />
        <Field label={t('lock.password')} name="password" type="password" autoComplete="current-password" autoFocus required value={password}
          onChange={(e) => setPassword(e.target.value)} className="h-11" error={said} />
        <Button type="submit" look="primary" size="large" busy={busy}>{t('lock.unlock')}</Button>
        <Button look="ghost" onClick={() => void logOut().catch(() => {})}>{t('lock.other')}</Button>
      </form>
    </main>
  )
}
