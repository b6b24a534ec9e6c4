import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, Refusal } from '@/api/client'
import { useSending } from '@/api/sending'
import { queries } from '@/api/query'
import { Button, Card, Field, toast } from '@/ui'

export function Password() {
  const { t } = useTranslation('settings')
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const differs = again !== '' && again !== fresh
  const { busy, error, said, submit } = useSending(async () => {
    if (fresh !== again) return
    await call('post', '/api/v1/password', { body: { old_password: old, new_password: fresh } })
    setOld('')
    setFresh('')
    setAgain('')
    toast('good', t('password.changed'))
    void queries.invalidateQueries({ queryKey: ['sessions'] })
  })
  const aboutNew = error instanceof Refusal && error.reason === 'PASSWORD_LENGTH'
  return (
    <Card title={t('password.title')}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Field label={t('password.old')} type="password" autoComplete="current-password" required value={old} onChange={(e) => setOld(e.target.value)} error={aboutNew ? undefined : said} />
        <Field label={t('password.new')} type="password" autoComplete="new-password" required minLength={8} maxLength={256} hint={t('password.text')} value={fresh} onChange={(e) => setFresh(e.target.value)} error={aboutNew ? said : undefined} />
        <Field label={t('password.again')} type="password" autoComplete="new-password" required value={again} onChange={(e) => setAgain(e.target.value)} error={differs ? t('password.differs') : undefined} />
        <div><Button type="submit" busy={busy} disabled={differs}>{t('password.change')}</Button></div>
      </form>
    </Card>
  )
}
