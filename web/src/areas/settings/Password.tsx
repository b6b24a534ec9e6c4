import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { call, Refusal } from '@/api/client'
import { queries } from '@/api/query'
import { Button, Card, Field, toast } from '@/ui'
import { said } from './said'

export function Password() {
  const { t, i18n } = useTranslation('settings')
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const differs = again !== '' && again !== fresh
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (fresh !== again) return
    setBusy(true)
    setError(undefined)
    try {
      await call('post', '/api/v1/password', { body: { old_password: old, new_password: fresh } })
      setOld('')
      setFresh('')
      setAgain('')
      toast('good', t('password.changed'))
      void queries.invalidateQueries({ queryKey: ['sessions'] })
    } catch (wrong) {
      setError(wrong)
    } finally {
      setBusy(false)
    }
  }
  const aboutNew = error instanceof Refusal && error.reason === 'PASSWORD_LENGTH'
  return (
    <Card title={t('password.title')}>
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-3">
        <Field label={t('password.old')} type="password" autoComplete="current-password" required value={old} onChange={(e) => setOld(e.target.value)} error={aboutNew ? undefined : said(error, i18n.language)} />
        <Field label={t('password.new')} type="password" autoComplete="new-password" required minLength={8} maxLength={256} hint={t('password.text')} value={fresh} onChange={(e) => setFresh(e.target.value)} error={aboutNew ? said(error, i18n.language) : undefined} />
        <Field label={t('password.again')} type="password" autoComplete="new-password" required value={again} onChange={(e) => setAgain(e.target.value)} error={differs ? t('password.differs') : undefined} />
        <div><Button type="submit" busy={busy} disabled={differs}>{t('password.change')}</Button></div>
      </form>
    </Card>
  )
}
